# SPDX-License-Identifier: MIT
#
# Stands in for busybox where no registry is reachable: its own web server, nc
# and wget come first on the path.
FROM debian:trixie-slim
RUN apt-get update -qq && \
    apt-get install -y -qq --no-install-recommends busybox >/dev/null && \
    rm -rf /var/lib/apt/lists/* && \
    for applet in httpd nc wget; do \
        ln -s "$(command -v busybox)" /usr/local/bin/$applet; \
    done
CMD ["sh"]
