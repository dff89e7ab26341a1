#!/bin/sh
# Buckets, and one user a process with its policy. Safe to run again.
set -eu
mc alias set store http://minio:9000 ecluse-owner "$MINIO_PASSWORD" >/dev/null
for bucket in drop raw safe reports staged public; do
    mc mb --ignore-existing "store/ecluse-$bucket"
done
for process in ingest anonymize convert publish portal notify operator; do
    secret=$(eval "printf %s \"\$$(printf %s "$process" | tr '[:lower:]' '[:upper:]')_SECRET\"")
    mc admin policy create store "ecluse-$process" "/setup/$process.json"
    mc admin user add store "$process" "$secret"
    mc admin policy attach store "ecluse-$process" --user "$process" || true
done
