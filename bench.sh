#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Measures Sallyport beside a floor and its peers and prints tables. As root
# (each contestant gets a network namespace).
#   ./bench.sh              everything, a quarter of an hour; the tables go to
#                           docs/benchmarks.md as well
#   ./bench.sh quick        1 short round of all but the slow clients
#   ./bench.sh MODE...      some of: connections trips down up idle latency udp
#                           slow syscalls
#   ./bench.sh store        what storing a session costs, in SQLite and PostgreSQL
#   ./bench.sh logins       what a cached login costs, and how long it takes while
#                           authd checks wrong ones
#   ./bench.sh ab DIR_A DIR_B [MODE]   two builds of the proxy in turn, and the
#                           floor; MODE: connections (default) trips down up paced
# SALLYPORT_BENCH_ROUNDS (5; ab 9) and SALLYPORT_BENCH_SECONDS (2; ab 1) of each
# turn; SALLYPORT_BUILD: build directory (build); what was measured is kept in
# its bench-rows.json.
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
# shellcheck source=deploy/lib/packages.sh
. "$top/deploy/lib/packages.sh"
build=${SALLYPORT_BUILD:-$top/build}

# build TARGET...   in $build; the log is shown if it fails
build() {
    [ -f "$build/build.ninja" ] || meson setup "$build" >/dev/null || exit 1
    ninja -C "$build" "$@" >"$work/build.log" 2>&1 || {
        tail -n 20 "$work/build.log" >&2
        exit 1
    }
}

# replace NAME FILE   what stands between the marks NAME in docs/benchmarks.md
replace() {
    sed -i -e "/<!-- $1: begin -->/,/<!-- $1: end -->/{/<!-- /!d}" \
        -e "/<!-- $1: begin -->/r $2" "$top/docs/benchmarks.md"
}

# SALLYPORT_BENCH_ROWS (200000). The server has Debian's settings.
store() {
    local server
    packages_install bench.sh "${packages_build[@]}" postgresql || exit 1
    server=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
    build tests/bench/bench_store
    "$top/tests/tools/with_postgres.py" --set shared_buffers=128MB \
        --set max_wal_size=1GB -- "$build/tests/bench/bench_store" \
        "${SALLYPORT_BENCH_ROWS:-200000}" >"$work/store" || exit 1
    printf '\n%s, revision %s, %s cores,%s, PostgreSQL %s, SQLite %s.\n' \
        "$(date -u +%F)" "$(git -C "$top" rev-parse --short HEAD)" "$(nproc)" \
        "$(sed -n 's/^model name.*://p' /proc/cpuinfo | head -n 1)" \
        "$("$server" --version | sed 's/^[^0-9]*//; s/ .*//')" \
        "$(dpkg-query -Wf '${Version}' libsqlite3-0)" >>"$work/store"
    cat "$work/store"
    replace store "$work/store"
}

# SALLYPORT_BENCH_ROUNDS (5) of SALLYPORT_BENCH_SECONDS (1) a figure; no root.
logins() {
    packages_install bench.sh "${packages_build[@]}" || exit 1
    build services/authd/sallyport-authd tests/bench/bench_logins
    "$build/tests/bench/bench_logins" "$build/services/authd/sallyport-authd" \
        "${SALLYPORT_BENCH_ROUNDS:-5}" "${SALLYPORT_BENCH_SECONDS:-1}" \
        >"$work/logins" || exit 1
    printf '\n%s, revision %s, %s cores,%s, Linux %s, load %s at the end; libnng1 %s.\n' \
        "$(date -u +%F)" "$(git -C "$top" rev-parse --short HEAD)" "$(nproc)" \
        "$(sed -n 's/^model name.*://p' /proc/cpuinfo | head -n 1)" \
        "$(uname -r)" "$(cut -d ' ' -f 1 /proc/loadavg)" \
        "$(dpkg-query -Wf '${Version}' libnng1)" >>"$work/logins"
    cat "$work/logins"
    replace logins "$work/logins"
}

# prepare TARGET...   the tools, and these
prepare() {
    [ "$(id -u)" -eq 0 ] || {
        echo 'bench.sh: must be root, to give each contestant a network namespace' >&2
        exit 1
    }
    packages_install bench.sh "${packages_build[@]}" "${packages_bench[@]}" || exit 1
    build tests/bench/{load,floor,udp_load,udp_floor} "$@"
}

# python FILE ARGUMENT...   ends with this script; what it started ends with it
python() {
    local pid
    /usr/bin/python3 "$@" &
    pid=$!
    trap 'kill "$pid"' INT TERM
    wait "$pid"
}

# ab DIR_A DIR_B [MODE]
ab() {
    prepare
    python "$top/tests/bench/ab.py" \
        --rounds "${SALLYPORT_BENCH_ROUNDS:-9}" \
        --seconds "${SALLYPORT_BENCH_SECONDS:-1}" \
        "$build/tests/bench" "$work" "$@"
}

# compare ROUNDS SECONDS [MODE or option]...
compare() {
    local rounds=$1 seconds=$2 daemon targets=(cli/sallyctl)
    shift 2
    for daemon in proxy authd acld sessiond apid; do
        targets+=("services/$daemon/sallyport-$daemon")
    done
    prepare "${targets[@]}"
    python "$top/tests/bench/compare.py" \
        --rounds "${SALLYPORT_BENCH_ROUNDS:-$rounds}" \
        --seconds "${SALLYPORT_BENCH_SECONDS:-$seconds}" \
        --rows "$build/bench-rows.json" "$build/tests/bench" "$work" "$build" "$@"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
case ${1:-} in
'') compare 5 2 --write "$top/docs/benchmarks.md" ;;
quick) compare 1 1 --settle 1 connections trips down up idle latency udp syscalls ;;
store) store ;;
logins) logins ;;
ab) ab "${@:2}" ;;
-h | --help) sed -n '4,${/^#/!q;s/^# \{0,1\}//p}' "$0" ;;
-*)
    printf 'bench.sh: unknown argument %s; see --help\n' "$1" >&2
    exit 2
    ;;
*) compare 5 2 "$@" ;;
esac
