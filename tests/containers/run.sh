#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the images and runs the container tests; ./test.sh containers calls it.
#   run.sh RESULTS   a directory: gets containers.xml, and a line in `skipped`
#                    or `failed` where they could not run
# Whatever runs in here is a child of one namespace of processes and ends with
# it, however that comes about; mounts and, for the tests, the network are of
# their own, too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
results=$1
own=(unshare --mount --pid --fork --kill-child --mount-proc)

skip() {
    printf 'containers: %s\n' "$*" >>"$results/skipped"
    exit 0
}

[ "$(id -u)" -eq 0 ] || skip 'an engine needs root'
"${own[@]}" --net true 2>/dev/null || skip 'no namespaces can be made here'
why=$("${own[@]}" --net /usr/bin/python3 -B "$here/engine.py" 2>&1) ||
    skip "$(tr '\n' ' ' <<<"$why")"

"${own[@]}" /usr/bin/python3 -B "$here/build.py" 2>&1 |
    tee "$results/build.out" | grep -a '^containers: '
if [ "${PIPESTATUS[0]}" -ne 0 ]; then
    tail -n 40 "$results/build.out"
    echo 'containers: images' >>"$results/failed"
    exit 1
fi

# /run has the sockets of containerd, wherever its other files are. bash stays,
# as the first process, to reap what others leave.
# shellcheck disable=SC2016
"${own[@]}" --net bash -c '
    mount -t tmpfs tmpfs /run || exit 1
    here=$1
    shift
    /usr/bin/python3 -B -m pytest -q -p no:cacheprovider "$@" "$here"
    exit $?
' bash "$here" --basetemp="$results/c" --junitxml="$results/containers.xml" \
    --durations=5 ${SALLYPORT_CONTAINER_TESTS:+-k "$SALLYPORT_CONTAINER_TESTS"}
# No report at all is a failure of its own.
[ -f "$results/containers.xml" ] || echo containers >>"$results/failed"
exit 0
