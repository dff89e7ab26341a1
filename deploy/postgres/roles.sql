-- One role a process. The portal selects public facts and nothing else; reconcile reads alone.
do $$
begin
    if not exists (select 1 from pg_roles where rolname = 'ecluse_portal') then
        create role ecluse_portal login;
    end if;
    if not exists (select 1 from pg_roles where rolname = 'ecluse_reader') then
        create role ecluse_reader login;
    end if;
    if not exists (select 1 from pg_roles where rolname = 'ecluse_publish') then
        create role ecluse_publish login;
    end if;
    if not exists (select 1 from pg_roles where rolname = 'ecluse_anonymize') then
        create role ecluse_anonymize login;
    end if;
    if not exists (select 1 from pg_roles where rolname = 'ecluse_notify') then
        create role ecluse_notify login;
    end if;
end
$$;
revoke all on schema public from public;
grant usage on schema portal to ecluse_portal;
grant select on all tables in schema portal to ecluse_portal;
grant usage on schema publish, notify to ecluse_reader;
grant select on all tables in schema publish, notify to ecluse_reader;
grant usage on schema publish to ecluse_publish;
grant select, insert, update, delete on all tables in schema publish to ecluse_publish;
grant usage on schema notify to ecluse_notify;
grant select, insert, update, delete on all tables in schema notify to ecluse_notify;
-- The register only grows: a release once shown is never forgotten.
grant usage on schema anonymize to ecluse_anonymize;
grant select, insert, update on all tables in schema anonymize to ecluse_anonymize;
