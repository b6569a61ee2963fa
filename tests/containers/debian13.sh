#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# debian13.sh [SUITE]: test.sh inside Debian 13, on any release of Debian.
#
# Makes a system tree with mmdebstrap (kept for the next time in
# $SALLYPORT_DEBIAN13, default build-debian13 beside test.sh), copies the sources
# as they are into it, and runs test.sh there. Root only. Mounts and processes
# live in namespaces and are gone with this script, however it ends.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
root=${SALLYPORT_DEBIAN13:-$top/build-debian13}

fail() {
    printf 'debian13: %s\n' "$*" >&2
    exit 1
}

make_root() {
    [ -e "$root/.made" ] && return
    mkdir -p "$root"
    [ -z "$(ls -A "$root")" ] ||
        fail "$root is not empty, and not a tree that was made here; move it away"
    printf '== making Debian 13 in %s\n' "$root"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates \
        trixie "$root" || fail "mmdebstrap could not make $root"
    touch "$root/.made"
}

# What git has or would take; times stay, so that only what changed is built.
copy_sources() {
    rm -rf "$root/src"
    mkdir "$root/src"
    git -C "$top" ls-files -z -co --exclude-standard |
        tar -C "$top" --null --files-from=- --ignore-failed-read -cf - |
        tar -C "$root/src" -xf -
}

mount_kernel() {
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
}

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" -eq 0 ] || fail "needs root, for chroot and mounts"
    command -v mmdebstrap >/dev/null ||
        fail "mmdebstrap is missing: apt-get install mmdebstrap"
    make_root
    copy_sources
    exec unshare --mount --pid --fork --kill-child \
        "$top/tests/containers/debian13.sh" --inside "$@"
fi
shift
mount_kernel
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# Not by exec: the first process of a namespace has to be there for orphans.
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 SALLYPORT_TEST_BUILD=/build \
    SALLYPORT_E2E_JOBS="${SALLYPORT_E2E_JOBS:-4}" /src/test.sh "$@"
