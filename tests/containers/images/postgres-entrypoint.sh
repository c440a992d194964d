#!/bin/sh
# With POSTGRES_USER and POSTGRES_PASSWORD, reached from everywhere.
set -eu
export PGDATA=/tmp/data
umask 077
printf %s "$POSTGRES_PASSWORD" >/tmp/password
initdb --username="$POSTGRES_USER" --auth=scram-sha-256 --pwfile=/tmp/password --no-instructions \
    --encoding=UTF8 --locale=C.UTF-8
echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
exec postgres '-clisten_addresses=*' -cfsync=off "$@"
