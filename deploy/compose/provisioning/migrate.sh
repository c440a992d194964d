#!/bin/sh
# The tables of this release, by their owners: /owners has the address of each service's database.
set -eu
. /etc/lixiao/again.sh
for file in /owners/*; do
    service=$(basename "$file")
    LIXIAO_MIGRATION_DATABASE=$(cat "$file")
    export LIXIAO_MIGRATION_DATABASE LIXIAO_DATABASE="$LIXIAO_MIGRATION_DATABASE"
    again lixiao "$service" migrate
done
