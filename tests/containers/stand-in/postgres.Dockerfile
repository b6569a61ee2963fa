# SPDX-License-Identifier: MIT
#
# Stands in for postgres:17 where no registry is reachable: the same user,
# directories, variables and order of start, from Debian's package.
FROM debian:trixie-slim
RUN groupadd -r -g 999 postgres && \
    useradd -r -g 999 -u 999 -d /var/lib/postgresql -s /bin/bash postgres && \
    apt-get update -qq && \
    apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null && \
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf && \
    apt-get install -y -qq --no-install-recommends postgresql-17 >/dev/null && \
    rm -rf /var/lib/apt/lists/* && \
    install -d -o 999 -g 999 -m 1777 /var/lib/postgresql/data && \
    install -d -o 999 -g 999 -m 3777 /var/run/postgresql && \
    install -d /docker-entrypoint-initdb.d
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin \
    PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
