#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Measures Sallyport beside the floor and its peers, prints one table and writes
# it to docs/benchmarks.md. As root (each contestant gets a network namespace).
#   ./bench.sh              all modes, SALLYPORT_BENCH_ROUNDS rounds (3: ten minutes)
#   ./bench.sh quick        1 short round, nothing written
#   ./bench.sh store        what storing a session costs, in SQLite and PostgreSQL
#   ./bench.sh ab DIR_A DIR_B [MODE]   two builds of the proxy in turn, and the
#                           floor; MODE: connections (default) trips down up paced
# The load generator and the floor are in the yardstick's directory:
# SALLYPORT_YARDSTICK (default: ../shared/bench).
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
# shellcheck source=deploy/lib/packages.sh
. "$top/deploy/lib/packages.sh"
yardstick=${SALLYPORT_YARDSTICK:-$top/../shared/bench}
build=${SALLYPORT_BUILD:-$top/build}
rounds=(--rounds "${SALLYPORT_BENCH_ROUNDS:-3}" --seconds 4)
write=(--write "$top/docs/benchmarks.md")

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

# SALLYPORT_BENCH_ROUNDS (9) of a second each.
ab() {
    packages_install bench.sh "${packages_build[@]}" "${packages_bench[@]}" || exit 1
    build tests/bench/load tests/bench/floor
    /usr/bin/python3 "$top/tests/bench/ab.py" --rounds "${SALLYPORT_BENCH_ROUNDS:-9}" \
        "$build/tests/bench" "$work" "$@"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
case ${1:-} in
'') ;;
store)
    store
    exit 0
    ;;
ab)
    ab "${@:2}"
    exit
    ;;
quick)
    rounds=(--rounds 1 --seconds 2)
    write=()
    ;;
-h | --help)
    sed -n '4,12s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
*)
    printf 'bench.sh: unknown argument %s; see --help\n' "$1" >&2
    exit 2
    ;;
esac
[ "$(id -u)" -eq 0 ] || {
    echo 'bench.sh: must be root, to give each contestant a network namespace' >&2
    exit 1
}
[ -f "$yardstick/sockload.c" ] || {
    echo "bench.sh: no sockload.c in $yardstick; set SALLYPORT_YARDSTICK" >&2
    exit 1
}
packages_install bench.sh "${packages_build[@]}" "${packages_bench[@]}" || exit 1
gcc -O2 -w -o "$work/sockload" "$yardstick/sockload.c" &&
    gcc -O2 -w -pthread -o "$work/nullproxy" "$yardstick/nullproxy.c" || exit 1
build
SALLYPORT_BUILD=$build /usr/bin/python3 "$top/tests/bench/compare.py" \
    --work "$work" "${rounds[@]}" "${write[@]}"
