#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_binaries.py BINARY...

Reads each binary as readelf shows it: hardened as the build says, and linked
to no library that is another daemon's business.
"""
import os
import re
import subprocess
import sys

import tree

# Library -> the binaries that may need it; the others of tests/meta/meson.build
# must not. A proxy that is taken over finds no password hash, no SQL, no PAM.
LIBRARIES = {
    "libsqlite3": "sallyport-sessiond sallyport-apid",
    "libpq": "sallyport-sessiond sallyport-apid",
    "libcivetweb": "sallyport-apid",
    "libjansson": "sallyport-authd sallyport-apid sallyctl",
    "libpam": "sallyport-authd",
    "libcrypt": "sallyport-authd sallyctl",
    "libevent": "sallyport-proxy",
    "libcares": "sallyport-proxy",
}


def readelf(flag, path):
    return subprocess.run(["readelf", "-W", flag, path], check=True,
                          capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def judge(path):
    name = os.path.basename(path)
    dynamic, segments = readelf("-d", path), readelf("-l", path)
    needed = re.findall(r"\(NEEDED\).*\[(\w+)", dynamic)
    for library, allowed in LIBRARIES.items():
        if any(n == library or n.startswith(library + "_") for n in needed) \
                and name not in allowed.split():
            yield f"{name}: links {library}"
    if not re.search(r"FLAGS_1.*\bNOW\b", dynamic):
        yield f"{name}: symbols are bound lazily (no BIND_NOW)"
    if not re.search(r"FLAGS_1.*\bPIE\b", dynamic):
        yield f"{name}: not position independent"
    if "GNU_RELRO" not in segments:
        yield f"{name}: no RELRO segment"
    if not re.search(r"GNU_STACK(\s+0x\w+){5}\s+RW\s", segments):
        yield f"{name}: an executable stack"
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        yield f"{name}: looks for libraries in a path of its own"


def main(paths):
    return tree.report([line for path in paths for line in judge(path)])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
