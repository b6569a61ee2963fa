#!/bin/sh
# SPDX-License-Identifier: MIT
#
# libraries.sh BINARY: the Debian packages of the shared libraries that it
# loads, one a line. Runs in the build stage of deploy/Dockerfile.
set -eu

# A package lists a library where it put it: below /usr, or at the other name
# of the same directory.
owner() {
    dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "${1#/usr}"
}

ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    while read -r library; do
        owner "$(realpath "$library")" | sed 's/:.*//'
    done | sort -u
