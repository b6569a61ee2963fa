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

if [ "$(id -u)" -ne 0 ]; then
    echo 'containers: an engine needs root' >>"$results/skipped"
    exit 0
fi
"${own[@]}" /usr/bin/python3 -B "$here/build.py" 2>&1 |
    tee "$results/build.out" | grep -a '^containers: '
code=${PIPESTATUS[0]}
case $code in
0) ;;
75)
    printf 'containers: %s\n' \
        "$(grep -av '^containers: ' "$results/build.out" | tr '\n' ' ')" \
        >>"$results/skipped"
    exit 0
    ;;
*)
    tail -n 40 "$results/build.out"
    echo 'containers: images' >>"$results/failed"
    exit 1
    ;;
esac

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
