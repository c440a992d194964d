#!/bin/sh
# What the entry point of PostgreSQL's own image does with these variables.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086
    initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --auth=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" \
        --no-instructions ${POSTGRES_INITDB_ARGS:-}
fi
exec "$@" "-clisten_addresses=*"
