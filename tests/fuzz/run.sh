#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh BUILD RUNS [NAME...]
# Runs the harnesses of a -Dfuzzing=true build (all, or those named) for RUNS
# inputs each, from their corpora. New inputs go to a temporary directory; what
# crashes stays in BUILD/tests/fuzz/crashes. A line a harness; exits 1 if any
# crashed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ] || [ ! -d "$1/tests/fuzz" ]; then
    sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
bin=$(cd "$1/tests/fuzz" && pwd)
runs=$2
shift 2
if [ $# -eq 0 ]; then
    for path in "$bin"/fuzz_*; do
        [ -f "$path" ] && [ -x "$path" ] && set -- "$@" "${path##*/fuzz_}"
    done
fi
[ $# -gt 0 ] || { echo "run.sh: no harness in $bin" >&2; exit 2; }

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
mkdir -p "$bin/crashes"

# The harness's own chatter goes to a file: only what crashed is worth reading.
fuzz() {
    local name=$1 args=() log=$temp/$1.log
    mkdir "$temp/$name"
    [ -f "$here/$name.dict" ] && args+=(-dict="$here/$name.dict")
    "$bin/fuzz_$name" -runs="$runs" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$bin/crashes/$name-" \
        "${args[@]}" "$temp/$name" "$here/corpus/$name" >"$log" 2>&1
}

stat_of() { sed -n "s/^stat::$2: *//p" "$temp/$1.log"; }

rc=0
for name in "$@"; do
    if fuzz "$name"; then
        printf '%-16s ok  %s runs, %s new inputs, %s edges\n' \
            "$name" "$(stat_of "$name" number_of_executed_units)" \
            "$(stat_of "$name" new_units_added)" \
            "$(grep -o 'cov: [0-9]*' "$temp/$name.log" | tail -n 1 | cut -c6-)"
    else
        rc=1
        printf '%-16s CRASHED\n' "$name"
        grep -E 'ERROR|SUMMARY|runtime error|Test unit written' \
            "$temp/$name.log" || tail -n 20 "$temp/$name.log"
    fi
done
exit "$rc"
