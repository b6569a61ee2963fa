#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the tests and ends with "N passed, N failed".
#   ./test.sh          unit, integration, e2e, meta and the fuzz corpora, with gcc
#   ./test.sh SUITE    one of: unit integration e2e meta fuzz-replay
#   ./test.sh all      the above with warnings as errors, again under ASan and
#                      UBSan, the threaded rooms under TSan, and a clang build
#   ./test.sh fuzz     each fuzz harness for SALLYPORT_FUZZ_RUNS runs (1000000)
#   ./test.sh debian13 all of this script inside Debian 13, made with mmdebstrap;
#                      needs root; a second argument is its suite
#   ./test.sh containers   docker-compose.yml on a Docker engine of its own;
#                      images are kept in SALLYPORT_CONTAINER_CACHE (default:
#                      build-containers beside this file)
#   ./test.sh asan     unit, integration, e2e and corpora under ASan and UBSan
# SALLYPORT_TEST_BUILD: where to build (default: build-test beside this file).
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
# shellcheck source=deploy/lib/packages.sh
. "$top/deploy/lib/packages.sh"
base=${SALLYPORT_TEST_BUILD:-$top/build-test}
results=$(mktemp -d)
chmod 0711 "$results"    # the daemons' user walks through it
trap 'rm -rf "$results"' EXIT
fast=(unit integration meta fuzz-replay)

step() { printf '== %s\n' "$*"; }
failed() { printf '%s\n' "$1" >>"$results/failed"; }

# configure DIR MESON-OPTION...
configure() {
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] && return 0
    meson setup "$dir" "$@" >"$results/setup.log" 2>&1 || {
        tail -n 30 "$results/setup.log"
        failed "configure $dir"
        return 1
    }
}

# build DIR
build() {
    step "building $(basename "$1")"
    ninja -C "$1" >"$results/build.log" 2>&1 || {
        grep -E 'error|warning|FAILED' "$results/build.log" | head -n 40
        failed "build $1"
        return 1
    }
}

# meson_suites DIR SUITE...   counts are gathered from the log of the run
meson_suites() {
    local dir=$1 args=() s
    shift
    for s in "$@"; do
        args+=(--suite "$s")
    done
    step "$(basename "$dir"): $*"
    meson test -C "$dir" --no-rebuild --print-errorlogs "${args[@]}" || true
    cp "$dir/meson-logs/testlog.json" "$results/$(basename "$dir")-$1.json"
}

# e2e DIR   the daemons of that build, real curl, run.sh's own stack
e2e() {
    step "$(basename "$1"): e2e"
    SALLYPORT_BUILD=$1 /usr/bin/python3 -m pytest -q -p no:cacheprovider \
        --basetemp="$results/e" \
        -n "${SALLYPORT_E2E_JOBS:-4}" --junitxml="$results/$(basename "$1")-e2e.xml" \
        "$top/tests/e2e" || true
}

sanitizer_env() {
    export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:abort_on_error=1:strict_string_checks=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    # What is reported inside nng itself, each with its reason.
    export LSAN_OPTIONS=suppressions=$top/tests/lsan.supp:print_suppressions=0
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$top/tests/tsan.supp
}

run_gcc() {
    configure "$base" -Dwerror=true && build "$base" || return
    meson_suites "$base" "${fast[@]}"
    e2e "$base"
}

# Without -Werror: gcc's sanitizers invent warnings (null formats).
run_asan() {
    configure "$base-asan" -Db_sanitize=address,undefined -Db_lundef=false &&
        build "$base-asan" || return
    sanitizer_env
    meson_suites "$base-asan" unit integration fuzz-replay
    e2e "$base-asan"
}

run_tsan() {
    configure "$base-tsan" -Db_sanitize=thread -Db_lundef=false &&
        build "$base-tsan" || return
    sanitizer_env
    meson_suites "$base-tsan" threads
}

run_clang() {
    CC=clang CXX=clang++ configure "$base-clang" -Dwerror=true &&
        build "$base-clang" || return
    meson_suites "$base-clang" unit fuzz-replay
}

run_fuzz() {
    CC=clang CXX=clang++ configure "$base-fuzz" -Dfuzzing=true &&
        build "$base-fuzz" || return
    "$top/tests/fuzz/run.sh" "$base-fuzz" "${SALLYPORT_FUZZ_RUNS:-1000000}" ||
        failed fuzz
}

if [ "${1:-}" = debian13 ]; then
    packages_install test.sh mmdebstrap || exit 1
    shift
    rm -rf "$results"
    exec "$top/tests/containers/debian13.sh" "$@"
fi
# For `all` an engine is no condition: where there is none, that is said.
run_containers() {
    step "containers"
    "$top/tests/containers/run.sh" "$results"
}

packages_install test.sh "${packages_build[@]}" "${packages_test[@]}" || exit 1
case ${1:-fast} in
fast) run_gcc ;;
all)
    packages_install test.sh "${packages_all[@]}" || exit 1
    run_gcc
    run_asan
    run_tsan
    run_clang
    run_containers
    ;;
asan) run_asan ;;
containers)
    [ "$(id -u)" -ne 0 ] ||
        packages_install test.sh "${packages_containers[@]}" || exit 1
    run_containers
    ;;
tsan) run_tsan ;;
fuzz)
    packages_install test.sh "${packages_all[@]}" || exit 1
    run_fuzz
    ;;
e2e) configure "$base" -Dwerror=true && build "$base" && e2e "$base" ;;
unit | integration | meta | fuzz-replay)
    configure "$base" -Dwerror=true && build "$base" &&
        meson_suites "$base" "$1"
    ;;
-h | --help)
    sed -n '4,${/^#/!q;s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
*)
    printf 'test.sh: unknown suite %s; see --help\n' "$1" >&2
    exit 2
    ;;
esac
/usr/bin/python3 "$top/tests/tools/count_results.py" "$results"
