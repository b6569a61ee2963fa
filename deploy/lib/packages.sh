# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Debian packages that the build, the tests and the benchmarks need, and one
# function that installs what is missing. Sourced by run.sh, test.sh, bench.sh.

# shellcheck disable=SC2034
packages_build=(
    gcc g++ meson ninja-build pkg-config protobuf-c-compiler
    libevent-dev libssl-dev libnng-dev libprotobuf-c-dev libjansson-dev
    libcivetweb-dev libsqlite3-dev libpq-dev libc-ares-dev libtomlplusplus-dev
    libyaml-dev libcrypt-dev libpam0g-dev libcap-ng-dev libcmocka-dev python3
)
# shellcheck disable=SC2034
packages_test=(
    curl iproute2 libpam-oath postgresql prometheus python3-pytest python3-pytest-xdist sqlite3
    shellcheck
)
# Clients that the end-to-end tests run against Sallyport, PACKAGE[=PROGRAM]: a
# program that is there already may come from anywhere.
# shellcheck disable=SC2034
packages_interop=(
    chromium git netcat-openbsd nodejs=node npm=npm openssh-client openssh-server
    openssl proxychains4 socat
)
# shellcheck disable=SC2034
packages_all=(clang clang-tidy cppcheck gcovr libclang-rt-dev)
# shellcheck disable=SC2034
packages_bench=(haproxy microsocks iproute2 python3 sqlite3 strace)

# shellcheck disable=SC2034
packages_containers=(
    docker.io docker-compose mmdebstrap iptables curl iproute2 python3-pytest
)

# What one release of Debian has and the other has not: 13 has no dante, and its
# docker.io comes without the client.
# shellcheck disable=SC1091
case $(. /etc/os-release && echo "${VERSION_ID:-}") in
12) packages_bench+=(dante-server) ;;
*) packages_containers+=(docker-cli) ;;
esac

# Servers among them (postgresql, prometheus) are there for tests that start
# their own: while apt runs, none is started as a service, unless this machine
# has a rule for that already.
packages_apt() (
    rule=/usr/sbin/policy-rc.d
    if [ ! -e "$rule" ]; then
        trap 'rm -f "$rule"' EXIT
        trap 'exit 1' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$rule" && chmod 0755 "$rule"
    fi
    apt-get "$@" >/dev/null
)

packages_has() {
    dpkg-query -W -f='${Status}\n' "${1%=*}" 2>/dev/null | grep -q 'ok installed' ||
        { [ "${1#*=}" != "$1" ] && command -v "${1#*=}" >/dev/null; }
}

# packages_install WHO PACKAGE...   asks apt only when something is missing.
packages_install() {
    local who=$1 missing=() p
    shift
    for p in "$@"; do
        packages_has "$p" || missing+=("${p%=*}")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        printf '%s: these Debian packages are missing; as root:\n  apt-get install %s\n' \
            "$who" "${missing[*]}" >&2
        return 1
    fi
    printf '%s: installing %s\n' "$who" "${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1
    packages_apt install -y -qq --no-install-recommends "${missing[@]}" ||
        {
            printf '%s: apt-get could not install them; see above\n' "$who" >&2
            return 1
        }
}

# packages_try WHO PACKAGE[=PROGRAM]...   for who can do without: what cannot be
# installed is said, and is no error.
packages_try() {
    local who=$1 p
    packages_install "$@" 2>/dev/null && return
    shift
    for p in "$@"; do
        packages_install "$who" "$p" || printf '%s: goes on without %s\n' "$who" "${p%=*}" >&2
    done
}
