#!/bin/sh
# One role a process, each with its password. Safe to run again.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --file /setup/roles.sql
for role in anonymize publish notify portal reader; do
    password=$(eval "printf %s \"\$$(printf %s "$role" | tr '[:lower:]' '[:upper:]')_PASSWORD\"")
    psql --quiet --set ON_ERROR_STOP=1 --set role="ecluse_$role" --set password="$password" <<'SQL'
alter role :"role" password :'password';
SQL
done
