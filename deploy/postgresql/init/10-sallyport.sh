#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For /docker-entrypoint-initdb.d of the official image of PostgreSQL, which
# runs it once, in a new database: makes Sallyport's roles. Passwords are read
# from the files owner.password, writer.password and reader.password.
#   SALLYPORT_SECRETS   where they are (default: /secrets/db)
#   SALLYPORT_ROLES     roles.sql (default: /usr/share/sallyport/postgresql/roles.sql)
set -eu
dir=${SALLYPORT_SECRETS:-/secrets/db}
roles=${SALLYPORT_ROLES:-/usr/share/sallyport/postgresql/roles.sql}

for role in owner writer reader; do
    if ! [ -r "$dir/$role.password" ]; then
        echo "10-sallyport.sh: cannot read $dir/$role.password" >&2
        exit 1
    fi
done
psql --no-psqlrc --no-password --quiet --output=/dev/null \
    --username="${POSTGRES_USER:-postgres}" \
    --dbname="${POSTGRES_DB:-${POSTGRES_USER:-postgres}}" \
    --set=private=1 \
    --set=owner_password_file="$dir/owner.password" \
    --set=writer_password_file="$dir/writer.password" \
    --set=reader_password_file="$dir/reader.password" \
    --file="$roles"
echo "10-sallyport.sh: roles sallyport_owner, sallyport_writer, sallyport_reader are ready"
