#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the tests and ends with "N passed, N failed".
#   ./test.sh          unit, integration, e2e, conformance, meta and the fuzz
#                      corpora, with gcc
#   ./test.sh SUITE    one of: unit integration e2e conformance meta fuzz-replay
#                      lint (tidy and cppcheck) asan tsan clang coverage
#   ./test.sh all      the first and all of these; warnings are errors, and
#                      containers, if there is an engine
#   ./test.sh repeat N SUITE...   suites over and over under load, for flakes
#   ./test.sh debian13 [SUITE]   this script inside Debian 13, made with
#                      mmdebstrap; needs root
#   ./test.sh containers   docker-compose.yml on a Docker engine of its own;
#                      images are kept in SALLYPORT_CONTAINER_CACHE (default:
#                      build-containers beside this file)
#   ./test.sh leaks    100,000 connections of every kind, after which the proxy
#                      must hold what it held before
#   ./test.sh timing   whether the time of a refused login tells who exists:
#                      Welch's t of 20,000 logins each (some ten minutes)
#   ./test.sh fuzz     each fuzz harness for SALLYPORT_FUZZ_RUNS runs (1000000)
# What is skipped is printed as "SKIPPED name: why" and counts for nothing.
# SALLYPORT_TEST_BUILD: where to build (default: build-test beside this file).
set -u
cd "$(dirname "$0")" || exit 1
top=$PWD
tools=$top/tests/tools
# shellcheck source=deploy/lib/packages.sh
. "$top/deploy/lib/packages.sh"
base=${SALLYPORT_TEST_BUILD:-$top/build-test}
results=$(mktemp -d)
chmod 0711 "$results"    # the daemons' user walks through it
trap 'rm -rf "$results"' EXIT
fast=(unit integration meta fuzz-replay)

step() { printf '== %s (at %d s)\n' "$*" "$SECONDS"; }
# A step that has no cases of its own, as count_results.py reads it.
passed() { printf '%s\n' "$1" >>"$results/passed"; }
failed() { printf '%s\n' "$1" >>"$results/failed"; }

# whole NAME COMMAND...   the command is one test; 77: its last line says why
# it was skipped
whole() {
    local name=$1
    shift
    step "$name"
    "$@" 2>&1 | tee "$results/step.log"
    case ${PIPESTATUS[0]} in
    0) passed "$name" ;;
    77) printf '%s: %s\n' "$name" "$(tail -n 1 "$results/step.log")" >>"$results/skipped" ;;
    *) failed "$name" ;;
    esac
}

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
    local log
    log=$results/$(basename "$1").log
    step "building $(basename "$1")"
    ninja -C "$1" >"$log" 2>&1 || {
        grep -E 'error|warning|FAILED' "$log" | head -n 40
        failed "build $1"
        return 1
    }
}

# meson_suites DIR SUITE...   counts are gathered from the log of the run
meson_suites() {
    local dir=$1 log=$1/meson-logs/testlog.json args=() s
    shift
    for s in "$@"; do
        args+=(--suite "$s")
    done
    step "$(basename "$dir"): $*"
    rm -f "$log"
    # Its time-outs (30 s) end what hangs, and not what a busy machine delays.
    # Tests wait more than they work: twice as many at once as there are cores,
    # but under a sanitizer, which makes them work.
    meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier 5 \
        --num-processes "${jobs:-$(($(nproc) * 2))}" "${args[@]}" || true
    cp "$log" "$results/$(basename "$dir")-$1.json" ||
        failed "$(basename "$dir") $*: nothing ran"
}

# Programs of other people that e2e runs against Sallyport. Where one cannot be
# had, its tests say that they were left out. npm's packages come anew when the
# lock file has changed.
interop_tools() {
    local dir=$base/npm from=$top/tests/e2e/npm
    packages_try test.sh "${packages_interop[@]}"
    export SALLYPORT_NODE_MODULES=$dir/node_modules
    cmp -s "$from/package-lock.json" "$dir/installed" && return
    step "npm ci"
    rm -rf "$dir"
    mkdir -p "$dir" && cp "$from"/package*.json "$dir" &&
        npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund \
            --prefer-offline >"$results/npm.log" 2>&1 &&
        cp "$from/package-lock.json" "$dir/installed" && return
    tail -n 5 "$results/npm.log"
    rm -rf "$dir"
}

# e2e DIR [FILE...]   the daemons of that build, real curl, run.sh's own stack
e2e() {
    local dir=$1 log
    interop_tools
    log=$results/$(basename "$dir")-e2e.xml
    shift
    [ $# -gt 0 ] || set -- "$top/tests/e2e"
    step "$(basename "$dir"): e2e"
    SALLYPORT_BUILD=$dir /usr/bin/python3 -m pytest -q -p no:cacheprovider \
        --basetemp="$results/e" -n "${SALLYPORT_E2E_JOBS:-4}" \
        --junitxml="$log" "$@" || true
    [ -s "$log" ] || failed "$(basename "$dir") e2e: nothing ran"
}

# conformance DIR   each numbered case by raw sockets; a stack a process
conformance() {
    local dir=$1 log
    log=$results/$(basename "$dir")-conformance.xml
    step "$(basename "$dir"): conformance"
    SALLYPORT_BUILD=$dir /usr/bin/python3 -m pytest -q -p no:cacheprovider \
        --basetemp="$results/c" -n "${SALLYPORT_E2E_JOBS:-4}" --dist loadgroup \
        --junitxml="$log" "$top/tests/conformance" || true
    [ -s "$log" ] || failed "$(basename "$dir") conformance: nothing ran"
}

sanitizer_env() {
    jobs=$(nproc)
    export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:abort_on_error=1:strict_string_checks=1
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    # What is reported inside nng itself, each with its reason.
    export LSAN_OPTIONS=suppressions=$top/tests/lsan.supp:print_suppressions=0
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$top/tests/tsan.supp:allocator_may_return_null=1:atexit_sleep_ms=0
}

# The tools of `all` beyond those of the first suites.
more_tools() {
    packages_install test.sh "${packages_all[@]}" || {
        failed "packages for $1"
        return 1
    }
}

build_gcc() { configure "$base" -Dwerror=true && build "$base"; }

run_gcc() {
    build_gcc || return
    meson_suites "$base" "${fast[@]}"
    e2e "$base"
    conformance "$base"
}

# Both read what the gcc build compiled, and remember what they found clean.
run_lint() {
    more_tools lint && build_gcc || return
    whole tidy "$tools/tidy.py" "$base"
    whole cppcheck "$tools/cppcheck.sh" "$base"
}

# Without -Werror: gcc's sanitizers invent warnings (null formats). Real clients
# (test_9) say the same to a slower proxy: hostile bytes are what ASan is for.
run_asan() {
    configure "$base-asan" -Db_sanitize=address,undefined -Db_lundef=false &&
        build "$base-asan" || return
    (
        sanitizer_env
        meson_suites "$base-asan" unit integration fuzz-replay
        e2e "$base-asan" "$top"/tests/e2e/test_[1-58]_*.py
        conformance "$base-asan"
    )
}

# Of e2e what makes threads meet; the rest says the same again, slowly.
run_tsan() {
    configure "$base-tsan" -Db_sanitize=thread -Db_lundef=false &&
        build "$base-tsan" || return
    (
        sanitizer_env
        meson_suites "$base-tsan" threads
        e2e "$base-tsan" "$top"/tests/e2e/test_[123]_*.py \
            "$top"/tests/e2e/test_8_l*.py
    )
}

run_clang() {
    more_tools clang || return
    CC=clang CXX=clang++ configure "$base-clang" -Dwerror=true &&
        build "$base-clang" || return
    meson_suites "$base-clang" unit fuzz-replay
}

run_coverage() {
    more_tools coverage || return
    configure "$base-coverage" -Db_coverage=true -Doptimization=0 &&
        build "$base-coverage" || return
    find "$base-coverage" -name '*.gcda' -delete
    # The daemons' user writes there too.
    chmod -R a+rwX "$base-coverage"
    meson_suites "$base-coverage" unit integration
    chmod -R a+rwX "$base-coverage"
    e2e "$base-coverage" "$top"/tests/e2e/test_[1-8]_*.py
    whole coverage "$tools/coverage.py" "$base-coverage"
}

run_timing() {
    build_gcc && whole timing "$top/tests/timing/timing.py" "$base"
}

run_fuzz() {
    more_tools fuzz || return
    CC=clang CXX=clang++ configure "$base-fuzz" -Dfuzzing=true &&
        build "$base-fuzz" || return
    whole fuzz "$top/tests/fuzz/run.sh" "$base-fuzz" \
        "${SALLYPORT_FUZZ_RUNS:-1000000}"
}

# For `all` an engine is no condition: where there is none, that is said.
run_containers() {
    step "containers"
    "$top/tests/containers/run.sh" "$results"
}

# The linters get what the tests leave, which wait more than they work.
run_all() {
    local lint
    run_gcc
    (
        renice -n 10 "$BASHPID" >/dev/null
        run_lint >"$results/lint.log" 2>&1
    ) &
    lint=$!
    run_asan
    run_tsan
    run_clang
    wait "$lint"
    cat "$results/lint.log"
    run_coverage
    run_containers
}

if [ "${1:-}" = debian13 ]; then
    packages_install test.sh mmdebstrap || exit 1
    shift
    rm -rf "$results"
    exec "$top/tests/containers/debian13.sh" "$@"
fi

packages_install test.sh "${packages_build[@]}" "${packages_test[@]}" || exit 1
case ${1:-fast} in
fast) run_gcc ;;
all | lint | asan | tsan | clang | coverage | timing | fuzz) "run_$1" ;;
containers)
    [ "$(id -u)" -ne 0 ] ||
        packages_install test.sh "${packages_containers[@]}" || exit 1
    run_containers
    ;;
e2e | conformance) build_gcc && "$1" "$base" ;;
leaks)
    export SALLYPORT_LEAK_CONNECTIONS=${SALLYPORT_LEAK_CONNECTIONS:-100000}
    build_gcc && e2e "$base" "$top/tests/e2e/test_8_leaks.py"
    ;;
unit | integration | meta | fuzz-replay) build_gcc && meson_suites "$base" "$1" ;;
repeat)
    build_gcc && whole "$*" "$tools/repeat.sh" "$base" "${@:2}"
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
/usr/bin/python3 "$tools/count_results.py" "$results"
