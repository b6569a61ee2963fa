#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# cppcheck over every source that a build compiled; any finding fails.
#   cppcheck.sh BUILD
# What it learned is kept in BUILD/cppcheck, so that only what changed is read
# again. A false finding is silenced where it stands, with its reason:
# // cppcheck-suppress ID ; kinds that are wrong for all of us stand here.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd) || exit 2
suppress=(
    # libc's reentrant twins are deprecated (readdir_r), or those are called
    # by one thread before there are others (getpwnam, getgrnam, getgrgid).
    readdirCalled getpwnamCalled getgrnamCalled getgrgidCalled
    # It does not see an array filled through a pointer to it; gcc and
    # clang-tidy do, and complain of what is not.
    uninitvar ctuuninitvar
    # ASSERT(false && "what cannot be").
    incorrectStringBooleanError
)
version=$(cppcheck --version)
if [ "$version" != "Cppcheck 2.10" ]; then
    echo "$version; findings are judged with 2.10, of Debian 12"
    exit 77
fi
mkdir -p "$build/cppcheck"
cd "$top" || exit 2
cppcheck --project="$build/compile_commands.json" \
    --cppcheck-build-dir="$build/cppcheck" -j "$(nproc)" \
    --enable=warning,performance,portability --inline-suppr --quiet \
    --library=posix --library=gnu \
    --include="$top/tests/tools/cppcheck.h" -D__cppcheck__ --error-exitcode=1 \
    --suppress="*:$build/*" "${suppress[@]/#/--suppress=}"
