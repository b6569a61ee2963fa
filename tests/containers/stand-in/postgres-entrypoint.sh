#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What postgres:17 promises of its entry point, as far as docker-compose.yml
# relies on it: an empty PGDATA is made with POSTGRES_PASSWORD_FILE, then a
# server without TCP runs /docker-entrypoint-initdb.d, then the real one starts.
set -euo pipefail
[ "${1:-}" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    export PGUSER=$user PGDATABASE=${POSTGRES_DB:-$user}
    if [ -z "${POSTGRES_PASSWORD_FILE:-}" ]; then
        echo 'Error: POSTGRES_PASSWORD_FILE is needed here' >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    initdb --username="$user" --pwfile=<(cat "$POSTGRES_PASSWORD_FILE") \
        ${POSTGRES_INITDB_ARGS:-}
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses=''" start
    if [ "$PGDATABASE" != postgres ]; then
        createdb --maintenance-db=postgres "$PGDATABASE"
    fi
    for f in /docker-entrypoint-initdb.d/*; do
        case $f in
        *.sh)
            echo "running $f"
            # shellcheck disable=SC1090
            if [ -x "$f" ]; then "$f"; else . "$f"; fi
            ;;
        *.sql)
            echo "running $f"
            psql -X -v ON_ERROR_STOP=1 --no-password -f "$f"
            ;;
        esac
    done
    pg_ctl -w -m fast stop
fi
exec "$@" -c listen_addresses='*'
