#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs suites over and over while the machine is busy, and lists each failure
# with its log. A flake is a bug: in the test, or in what is tested.
#   repeat.sh BUILD N SUITE...   SUITE: e2e, or a suite of meson's
# Twice as many tests run at once as there are processors. Logs of failures
# stay in BUILD/repeat.
set -u
if [ $# -lt 3 ] || ! [ "$2" -gt 0 ] 2>/dev/null; then
    sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd) || exit 2
rounds=$2
shift 2
jobs=$(($(nproc) * 2))
logs=$build/repeat
rm -rf "$logs"
mkdir -p "$logs"
work=$(mktemp -d)
chmod 0711 "$work"    # the daemons' user walks through it
trap 'rm -rf "$work"' EXIT
failures=0

# one SUITE LOG
one() {
    if [ "$1" = e2e ]; then
        SALLYPORT_BUILD=$build /usr/bin/python3 -m pytest -q \
            -p no:cacheprovider --basetemp="$work/e" -n "$jobs" \
            "$top/tests/e2e" >"$2" 2>&1
    else
        meson test -C "$build" --no-rebuild --num-processes "$jobs" \
            --timeout-multiplier 5 --print-errorlogs --suite "$1" >"$2" 2>&1
    fi
}

for ((round = 1; round <= rounds; round++)); do
    for suite in "$@"; do
        log=$logs/$suite-$round.log
        if one "$suite" "$log"; then
            rm -f "$log"
        else
            failures=$((failures + 1))
            printf 'round %d, %s: %s\n' "$round" "$suite" "$log"
            grep -E '^FAILED|^ERROR|^ *[0-9]+/[0-9]+ .* (FAIL|TIMEOUT|ERROR) ' \
                "$log"
        fi
    done
    printf '%d of %d rounds, %d failures\n' "$round" "$rounds" "$failures"
done
[ "$failures" -eq 0 ]
