# SPDX-License-Identifier: MIT
"""Each image by itself, as docs/images.md promises it: what is in it, what is
not, and that its daemon lives under the strictest settings."""
import json
import re
import tarfile

import pytest

from compose import DAEMONS, TOP, note, wait_for

IMAGES = (*DAEMONS, "cli")
BASE = "debian:trixie-slim"
MB = 1_000_000
OVER_BASE = 60 * MB
GRACE = 10    # seconds from SIGTERM on
LABELS = ("title", "description", "version", "revision", "created", "source",
          "documentation", "licenses", "vendor", "base.name")
PORTS = {"proxy": {1080, 9181}, "authd": {9182}, "acld": {9183},
         "sessiond": {9184}, "apid": {8080, 9185}, "cli": set()}
VERSION = re.search(r"^  version: '(.*)',$",
                    (TOP / "meson.build").read_text(), re.M)[1]
SHARE = "usr/share/sallyport/"

HARD = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--network=none", "--tmpfs=/tmp:size=16m", "--pids-limit=64"]
# Bound over every shell, so that whoever needs one fails.
NO_SHELL = [f"--volume=/dev/null:/usr/bin/{sh}:ro" for sh in ("sh", "dash", "bash")]

CONFIG = """
[proxy]
listen = "127.0.0.1:1080"
admin_listen = "127.0.0.1:9181"
timeouts.drain = "2s"
[authd]
admin_listen = "127.0.0.1:9182"
users_file = "/etc/sallyport/users.toml"
[acld]
admin_listen = "127.0.0.1:9183"
policy_file = "/etc/sallyport/acl.toml"
[sessiond]
admin_listen = "127.0.0.1:9184"
[apid]
admin_listen = "127.0.0.1:9185"
listen = "127.0.0.1:8080"
tokens_file = "/etc/sallyport/tokens.toml"
"""


def tag(name):
    return f"sallyport/{name}:{VERSION}"


def binary(name):
    return "sallyctl" if name == "cli" else f"sallyport-{name}"


def inspect(engine, what):
    return json.loads(engine.output("inspect", what))[0]


@pytest.fixture(scope="module", params=IMAGES)
def image(engine, request):
    """(name, what the engine says about it)"""
    return request.param, inspect(engine, tag(request.param))


@pytest.fixture(scope="module")
def tree(engine, image, tmp_path_factory):
    """The image's files as an open tar archive."""
    path = tmp_path_factory.mktemp("image") / "tree.tar"
    made = engine.output("create", "--network=none", tag(image[0]))
    try:
        engine.docker("export", "-o", path, made)
    finally:
        engine.docker("rm", made)
    with tarfile.open(path) as tar:
        yield tar
    path.unlink()


def test_labels_are_complete(image):
    labels = image[1]["Config"]["Labels"]
    have = {k: labels.get(f"org.opencontainers.image.{k}") for k in LABELS}
    assert all(have.values()), have
    assert "org.opencontainers.image.base.digest" in labels
    assert have["version"] == VERSION
    assert have["licenses"] == "MIT"
    assert have["base.name"] == BASE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", have["created"])


def test_runs_one_binary_as_a_numeric_user(image):
    name, config = image[0], image[1]["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [f"/usr/bin/{binary(name)}"]
    ports = {int(p.split("/")[0]) for p in config.get("ExposedPorts") or {}}
    assert ports == PORTS[name]
    assert not config.get("Volumes")
    assert [e.split("=")[0] for e in config["Env"]] == ["PATH"]


def test_size_over_the_base(engine, image):
    over = image[1]["Size"] - inspect(engine, BASE)["Size"]
    note(f"{image[0]}: {over / MB:.1f} MB over the base")
    assert 0 < over <= OVER_BASE


def test_nobody_can_become_anybody_else(tree):
    for member in tree:
        assert not (member.isfile() and member.mode & 0o6000), member.name
        assert "SCHILY.xattr.security.capability" not in member.pax_headers, \
            member.name


def test_state_belongs_to_the_user_and_group_0(tree):
    for path in ("var/lib/sallyport", "run/sallyport"):
        member = tree.getmember(path)
        assert (member.uid, member.gid, member.mode & 0o7777) == (
            10001, 0, 0o770), path


def test_nothing_is_left_of_the_build(image, tree):
    names = {m.name for m in tree}
    ours = {n for n in names if n.startswith("usr/bin/sally")}
    assert ours == {f"usr/bin/{binary(image[0])}"}
    assert {n for n in names if n.startswith(SHARE)} == {SHARE + "sbom.cdx.json"}
    assert not [n for n in names if n.startswith("var/lib/apt/lists/")
                and "Packages" in n]
    assert not {"usr/bin/cc", "usr/bin/gcc", "usr/bin/meson", "src"} & names
    assert "etc/ssl/certs/ca-certificates.crt" in names
    assert "usr/share/zoneinfo/Europe/Vienna" in names


def test_bill_of_materials_names_every_package(image, tree):
    bill = json.load(tree.extractfile(SHARE + "sbom.cdx.json"))
    status = tree.extractfile("var/lib/dpkg/status").read().decode()
    installed = {
        (re.search("^Package: (.*)", p, re.M)[1],
         re.search("^Version: (.*)", p, re.M)[1])
        for p in status.split("\n\n") if "\nStatus: install ok installed\n" in p
    }
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    of = bill["metadata"]["component"]
    assert (of["name"], of["version"]) == (f"sallyport/{image[0]}", VERSION)
    parts = {(c["name"], c["version"]) for c in bill["components"]}
    assert parts == installed | {("sallyport", VERSION)}
    refs = [c["bom-ref"] for c in bill["components"]]
    assert len(refs) == len(set(refs))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_says_what_it_is(engine, image, option):
    done = engine.docker("run", "--rm", *HARD, *NO_SHELL, "--user=12345:0",
                         tag(image[0]), option)
    assert binary(image[0]) in done.stdout
    assert VERSION in done.stdout or option == "--help"


@pytest.mark.parametrize("name", DAEMONS)
def test_without_configuration_it_says_so(engine, name):
    done = engine.docker("run", "--rm", *HARD, *NO_SHELL, tag(name), check=False)
    assert done.returncode == 78, done.stderr
    (line,) = done.stderr.splitlines()
    assert "/etc/sallyport/sallyport.toml" in line


# ---- the five together, since they are healthy only together ----------------

def configuration(directory):
    for name, text in {"sallyport.toml": CONFIG, "users.toml": "",
                       "tokens.toml": "", "acl.toml":
                       '[global]\ndefault_policy = "block"\n'}.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o644)
    directory.chmod(0o755)
    return directory


@pytest.fixture(scope="module", params=["12345:0", None],
                ids=["any-user", "own-user"])
def hardened(engine, request, tmp_path_factory):
    """Container of each daemon; they share the bus and the state."""
    etc = configuration(tmp_path_factory.mktemp("etc"))
    volumes = [engine.output("volume", "create") for _ in range(2)]
    user = [f"--user={request.param}"] if request.param else []
    made = {}
    try:
        for name in DAEMONS:
            made[name] = engine.output(
                "run", "--detach", "--health-interval=1s", *HARD, *NO_SHELL,
                *user, f"--volume={volumes[0]}:/run/sallyport",
                f"--volume={volumes[1]}:/var/lib/sallyport",
                f"--volume={etc}:/etc/sallyport:ro", tag(name))
        yield made
    finally:
        engine.docker("rm", "-f", *made.values(), check=False)
        engine.docker("volume", "rm", *volumes, check=False)


def state(engine, container):
    return inspect(engine, container)["State"]


@pytest.mark.parametrize("name", DAEMONS)
def test_healthy_under_the_strictest_settings(engine, hardened, name):
    def healthy():
        now = state(engine, hardened[name])
        assert now["Running"], engine.docker("logs", hardened[name]).stderr
        return now["Health"]["Status"] == "healthy"

    wait_for(f"{name} to be healthy", healthy)


@pytest.mark.parametrize("name", DAEMONS)
def test_ends_well_on_sigterm(engine, hardened, name):
    engine.docker("stop", "--time", GRACE, hardened[name])
    ended = state(engine, hardened[name])
    assert ended["ExitCode"] == 0, engine.docker("logs", hardened[name]).stderr
    assert not ended["OOMKilled"] and not ended["Error"]
