"""What the two roles of a database may do: the owner changes its tables, the service only their rows.

What is only ever added to is protected by triggers of its migrations, which the service cannot put out of the way. So a
new table needs no grant of its own.
"""

from typing import Final

from services.kit.postgres.migrations import MIGRATION_TABLE

OWNER_SUFFIX: Final = "_owner"
AUDITOR: Final = "lixiao_audit"
"""Owns every audit, and cannot log in: a service could drop what it created itself."""

# The tables of an installation from before are the service's. Default privileges are of what the owner creates later.
_ROWS: Final = """
reassign owned by "{service}" to "{owner}";
revoke create on schema public from public;
grant usage on schema public to "{service}";
grant usage, create on schema public to "{owner}";
alter default privileges for role "{owner}" grant usage on schemas to "{service}";
alter default privileges for role "{owner}" grant select, insert, update, delete on tables to "{service}";
alter default privileges for role "{owner}" grant usage on sequences to "{service}";
do $grants$
declare
    schema name;
begin
    for schema in
        select nspname from pg_namespace where nspname = 'public' or nspowner = '{owner}'::regrole
    loop
        execute format('grant usage on schema %I to "{service}"', schema);
        execute format('grant select, insert, update, delete on all tables in schema %I to "{service}"', schema);
        execute format('grant usage on all sequences in schema %I to "{service}"', schema);
    end loop;
end
$grants$;
"""
_MIGRATIONS: Final = f"""
set local role "{{owner}}";
{MIGRATION_TABLE};
reset role;
revoke insert, update, delete on migration from "{{service}}";
"""
# Whoever adds an entry sets neither its number nor its time: no entry can be put before others.
_AUDIT: Final = """
alter schema audit owner to "{auditor}";
alter table audit.entry owner to "{auditor}";
alter table audit.seal owner to "{auditor}";
alter table audit.unsealed owner to "{auditor}";
alter function audit.refuse() owner to "{auditor}";
revoke all on schema audit from public;
revoke all on all tables in schema audit from "{service}", "{owner}";
grant usage on schema audit to "{service}", "{owner}";
grant select on all tables in schema audit to "{service}", "{owner}";
grant insert, delete on audit.unsealed to "{service}";
do $grants$
begin
    execute (
        select format('grant insert (%s) on audit.entry to "{service}"', string_agg(quote_ident(attname), ', '))
        from pg_attribute
        where attrelid = 'audit.entry'::regclass and attnum > 0 and not attisdropped
          and attname not in ('entry_id', 'at')
    );
end
$grants$;
grant insert (seq, entry_id, hash) on audit.seal to "{service}";
"""


def rights(service: str) -> str:
    """For a superuser, in the database of the role `service`, whose audit is there."""
    statements = _ROWS + _MIGRATIONS + _AUDIT
    return statements.format(service=service, owner=owner_of(service), auditor=AUDITOR)


def owner_of(service: str) -> str:
    return f"{service}{OWNER_SUFFIX}"
