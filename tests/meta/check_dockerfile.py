#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_dockerfile.py [ROOT]

Holds deploy/Dockerfile to docs/images.md without an engine: numeric user, all
labels, exec form, no package list left behind, nothing fetched by ADD, no
secret in a variable, and only what the builder without BuildKit knows.
"""
import json
import os
import re
import sys

import tree

IMAGES = ("proxy", "authd", "acld", "sessiond", "apid", "cli")
LABELS = ("title", "description", "version", "revision", "created", "source",
          "documentation", "licenses", "vendor", "base.name", "base.digest")
SECRET = re.compile(r"passw|secret|token|credential|(^|_)key($|_)", re.I)
LISTS = "rm -rf /var/lib/apt/lists/*"
CONFIG = ["--config", "/etc/sallyport/sallyport.toml"]


def instructions(text):
    """(keyword, arguments) with continued lines joined."""
    lines = [line for line in text.splitlines()
             if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        keyword, _, arguments = line.partition(" ")
        yield keyword.upper(), arguments.strip()


class Stage:
    """What an image has, its own instructions after those of its base."""

    def __init__(self, name, base, own):
        self.name, self.own = name, own
        self.all = (base.all if base else []) + own

    def of(self, keyword):
        return [a for k, a in self.all if k == keyword]

    def last(self, keyword):
        return (self.of(keyword) or [""])[-1]


def stages(steps):
    found, name, base, own = {}, None, None, []
    for keyword, arguments in [*steps, ("FROM", " AS ")]:
        if keyword != "FROM":
            own.append((keyword, arguments))
            continue
        if name is not None:
            found[name] = Stage(name, found.get(base), own)
        base, _, name = arguments.partition(" AS ")
        own = []
    return found


def is_exec(arguments):
    try:
        return all(isinstance(a, str) for a in json.loads(arguments))
    except (ValueError, TypeError):
        return False


def judge_steps(steps):
    for keyword, arguments in steps:
        if keyword == "ADD":
            yield f"ADD {arguments}: COPY says what comes from where"
        if re.match(r"--(mount|network|security|chmod|link|parents)\b", arguments) \
                or "<<" in arguments:
            yield f"{keyword} {arguments}: needs BuildKit"
        if keyword == "RUN" and re.search("apt-get|packages_install", arguments) \
                and LISTS not in arguments:
            yield f"RUN {arguments}: leaves the lists of packages behind"
        if keyword in ("ENV", "ARG") and SECRET.search(arguments):
            yield f"{keyword} {arguments}: a secret stays in the image's history"


def judge_health(stage, command):
    wanted = json.dumps([*command, *CONFIG, "--health"])
    health = stage.last("HEALTHCHECK")
    if stage.name == "cli":
        if health != "NONE":
            yield "cli: nothing runs in there whose health could be asked"
    elif not health.endswith("CMD " + wanted):
        yield f"{stage.name}: HEALTHCHECK is not CMD {wanted}"


def judge_image(stage):
    user = re.fullmatch(r"(\d+):(\d+)", stage.last("USER"))
    if user is None or "0" in user.groups():
        yield f"{stage.name}: USER is not two numbers above 0"
    labels = " ".join(stage.of("LABEL"))
    for label in LABELS:
        if f"org.opencontainers.image.{label}=" not in labels:
            yield f"{stage.name}: no label {label}"
    for keyword in ("ENTRYPOINT", "CMD"):
        if not is_exec(stage.last(keyword)):
            yield f"{stage.name}: {keyword} is not in exec form"
            return
    yield from judge_health(stage, json.loads(stage.last("ENTRYPOINT")))
    for port in stage.last("EXPOSE").split():
        if int(port) < 1024:
            yield f"{stage.name}: port {port} needs a capability"


def judge(text):
    steps = list(instructions(text))
    found = stages(steps)
    yield from judge_steps(steps)
    for name in IMAGES:
        if name in found:
            yield from judge_image(found[name])
        else:
            yield f"no target {name}"


def judge_scripts(scripts):
    for path, text in scripts.items():
        if "apt-get update" in text and LISTS not in text:
            yield f"{path}: leaves the lists of packages behind"


def judge_copies(text, ignore):
    """What is copied must come through .dockerignore."""
    let_in = [line[1:] for line in ignore.splitlines() if line.startswith("!")]
    for keyword, arguments in instructions(text):
        if keyword != "COPY" or arguments.startswith("--from="):
            continue
        for path in arguments.split()[:-1]:
            if not any(path.rstrip("/") == p or path.startswith(p + "/")
                       for p in let_in):
                yield f"COPY {path}: .dockerignore keeps it out"


def judge_version(text, meson):
    version = re.search(r"^ARG VERSION=(\S+)$", text, re.M)
    if version is None or f"version: '{version[1]}'," not in meson:
        yield "ARG VERSION is not the version of meson.build"


def read(root, *path):
    with open(os.path.join(root, *path), encoding="utf-8") as f:
        return f.read()


def main(root):
    text = read(root, "deploy", "Dockerfile")
    scripts = {p: read(root, p) for p in tree.files(root)
               if p.startswith("deploy/images/") and p.endswith(".sh")}
    return tree.report([
        f"deploy/Dockerfile: {line}" for line in (
            *judge(text), *judge_scripts(scripts),
            *judge_copies(text, read(root, ".dockerignore")),
            *judge_version(text, read(root, "meson.build")))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else tree.ROOT))
