#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds every image of docker-compose.yml into the cache of the tests.

usage: build.py

The one part of the container tests that uses the network, and only to reach
Debian's packages: the base image is made by mmdebstrap, ours are built on it,
and local ones from Debian's packages stand in for the images of others. In
$SALLYPORT_CONTAINER_CACHE (default: build-containers beside test.sh) they are
kept for the next time.
"""
import pathlib
import re
import subprocess
import tempfile
import time

import engine

TOP = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BASE = "debian:trixie-slim"
OURS = ("proxy", "authd", "acld", "sessiond", "apid", "cli")
# Service whose official image it stands in for.
STAND_INS = {"db": "postgres", "prometheus": "prometheus", "echo": "busybox"}


def say(text):
    print(f"containers: {text}", flush=True)


def image_of(service):
    """As docker-compose.yml has it without any setting."""
    text = (TOP / "docker-compose.yml").read_text()
    found = re.search(rf"^  {service}:\n(?:    .*\n|\n)*?    image: (.*)$", text, re.M)
    assert found, service
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", found.group(1))


def make_base(docker):
    if docker.docker("image", "inspect", BASE, check=False).returncode == 0:
        return
    tar = engine.cache_directory() / "trixie.tar"
    if not tar.exists():
        say("making the base image with mmdebstrap")
        new = tar.with_suffix(".new.tar")
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "trixie", new],
                       check=True)
        new.rename(tar)
    docker.docker("import", tar, BASE)


def build(docker, tag, *arguments):
    start = time.monotonic()
    done = docker.docker("build", "--network", "host", "-t", tag, *arguments,
                         check=False)
    if done.returncode != 0:
        print(done.stdout[-6000:], done.stderr[-3000:], sep="\n", flush=True)
        raise SystemExit(f"containers: {tag} could not be built")
    say(f"{tag} built in {time.monotonic() - start:.0f} s")


def build_all(docker):
    make_base(docker)
    # Named, so that what it compiled is found again.
    build(docker, "sallyport-build:cache",
          "-f", TOP / "deploy/Dockerfile", "--target", "build", TOP)
    for target in OURS:
        build(docker, image_of("migrate").replace("sessiond", target),
              "-f", TOP / "deploy/Dockerfile", "--target", target, TOP)
    for service, name in STAND_INS.items():
        build(docker, image_of(service), "-f",
              HERE / f"stand-in/{name}.Dockerfile", HERE / "stand-in")
    # A change leaves layers that nothing refers to; they would only grow.
    docker.docker("image", "prune", "-f")


def main():
    with tempfile.TemporaryDirectory(prefix="sp-") as run:
        # No bridge: a build uses the machine's own network, for apt.
        docker = engine.Engine(run, "--bridge=none", "--iptables=false",
                               "--ip6tables=false")
        try:
            docker.start()
            docker.sweep()
            build_all(docker)
        finally:
            docker.stop()


if __name__ == "__main__":
    main()
