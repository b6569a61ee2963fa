# SPDX-License-Identifier: MIT
"""Every way to say who one is, with real curl and real PAM modules: one suite
with a listener for each, and with accounts of its own, which a mount namespace
puts in the place of the machine's. authd keeps uid 0, without any capability,
as pam_unix needs it."""
import pathlib
import subprocess

import pytest

from stack import Servers, Stack

TOP = pathlib.Path(__file__).resolve().parents[2]
FILES, STAFF, MACHINES, BOTH = 1080, 1081, 1082, 1083

# As run.sh would write it, but for the listeners and PAM.
CONFIG = """
[log]
level = "info"
{daemons}
[[proxy.listeners]]
name = "files"
listen = "127.0.0.1:1080"

[[proxy.listeners]]
name = "staff"
listen = "127.0.0.1:1081"
socks_methods = ["pam.username"]

[[proxy.listeners]]
name = "machines"
listen = "127.0.0.1:1082"
client_methods = ["pam.address"]
socks_methods = ["none"]

[[proxy.listeners]]
name = "both"
listen = "127.0.0.1:1083"
client_methods = ["pam.address"]
"""
SECTION = """
[{daemon}]
admin_listen = "127.0.0.1:{port}"
run_dir = "{state}/run"
state_dir = "{state}/data"
"""
MORE = {
    "proxy": 'timeouts.drain = "2s"\n',
    "authd": """users_file = "{state}/etc/users.toml"
pam.confdir = "{state}/pam"
guessing.per_user = 0
guessing.per_source = 0
guessing.delay_base = 0
""",
    "acld": 'policy_file = "{state}/etc/acl.toml"\n',
    "apid": 'listen = "127.0.0.1:8080"\ntokens_file = "{state}/etc/tokens.toml"\n',
}
# Everybody may go to 127.0.0.1; further, only whose group says so.
POLICY = """
[global]
default_policy = "block"

[[rules]]
id = "here"
action = "allow"
destinations = ["127.0.0.1"]
allow_internal = true

[[groups]]
name = "Domain Admins@ad.example"

  [[groups.rules]]
  id = "admins"
  action = "allow"
  destinations = ["127.0.0.3"]
  allow_internal = true

[[groups]]
name = "barred"

  [[groups.rules]]
  id = "barred"
  action = "block"
  destinations = ["127.0.0.1"]
"""
# crypt("right"), cheaply.
HASH = (
    "$6$rounds=1000$sallyport$EQYgfeJJq5OyEnYMeQ6ReDdSfVfiARmcpVSx1eibd1Py"
    "ElYuOKpWvDzg2BbV2SbmAFDClXXIR8.IUl/2BMG9B/"
)
SHADOW = f"ann:{HASH}:19000:0:99999:7:::\nbob:!{HASH}:19000:0:99999:7:::\n"
USERS = ("ann", "bob", "ben", "eve", "rhostusr")
GROUPS = "domain admins@AD.example:x:4720:ann\nbarred:x:4721:ben,eve\n"
PERMIT = "auth required pam_permit.so\naccount required pam_permit.so\n"
UNIX = "auth required pam_unix.so\naccount required pam_unix.so\n"
DENY = "auth required pam_deny.so\naccount required pam_permit.so\n"
OATH = """auth requisite pam_oath.so usersfile={pam}/users.oath window=5 digits=6
auth required pam_unix.so use_first_pass
account required pam_unix.so
"""
ACCESS = """auth required pam_permit.so
account required pam_access.so accessfile={pam}/access.conf
"""
# Files of the directory $1 in place of the machine's, for what follows.
MOUNT = (
    'for f in passwd shadow group nsswitch.conf; do mount --bind "$1/$f" "/etc/$f" || exit; done'
    '; shift; exec "$@"'
)


def write(path, text, mode=0o600):
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)


def own_accounts(directory):
    """The machine's accounts and some more, who belong to this test."""
    passwd = pathlib.Path("/etc/passwd").read_text()
    group = pathlib.Path("/etc/group").read_text()
    names = [*USERS]
    if "\nsallyport:" not in passwd:
        names.append("sallyport")  # run.sh could not make it here
        group += f"sallyport:x:{4700 + len(names)}:\n"
    for number, name in enumerate(names):
        passwd += f"{name}:x:{4701 + number}:{4701 + number}::/nonexistent:/bin/false\n"
    write(directory / "passwd", passwd, 0o644)
    write(directory / "shadow", SHADOW)
    write(directory / "group", group + GROUPS, 0o644)
    write(directory / "nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n", 0o644)


class LoginStack(Stack):
    closed = True

    def __init__(self, state):
        super().__init__(TOP, state)
        accounts = state.parent / "accounts"
        own_accounts(accounts)
        self.prefix = ["unshare", "--mount", "--propagation", "private",
                       "sh", "-c", MOUNT, "sh", accounts]
        state.mkdir()
        daemons = ""
        for number, daemon in enumerate(("proxy", "authd", "acld", "sessiond", "apid")):
            text = SECTION + MORE.get(daemon, "")
            daemons += text.format(daemon=daemon, port=9181 + number, state=state)
        write(state / "etc/sallyport.toml", CONFIG.format(daemons=daemons))
        write(state / "etc/acl.toml", POLICY)
        self.service("sallyport", DENY)
        self.service("sallyport-client", ACCESS)
        self.service("access.conf", "+:rhostusr:127.0.0.1 127.0.0.7 127.0.0.8\n-:ALL:ALL\n")

    def service(self, name, text):
        write(self.state / "pam" / name, text.format(pam=self.state / "pam"))

    def ask(self, listener, url, login=None, scheme="socks5h", source="127.0.0.1"):
        """curl through a listener."""
        login = f"{login}@" if login else ""
        tunnel = ["--proxytunnel"] if scheme == "http" else []
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", "--interface", source, *tunnel,
             "-x", f"{scheme}://{login}127.0.0.1:{listener}", url],
            capture_output=True, text=True)

    def add_user(self, name, *more):
        """To the users file, with the password "right"; in force then."""
        for line in (("add", name, "--password-stdin"), *more, ("reload",)):
            done = self.ctl("users", *line, input="right")
            assert done.returncode == 0, done

    def record(self, query, **wanted):
        """The one record of whoever is a test's alone, after a look at it."""
        (row,) = self.wait_history(1, query)
        assert {k: row[k] for k in wanted} == wanted, row


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    s = LoginStack(tmp_path_factory.mktemp("login") / "var")
    s.start()
    yield s
    s.finish()


@pytest.fixture(scope="module")
def url():
    web = Servers()
    yield f"http://127.0.0.1:{web.port}/x"
    web.close()


def is_let_in(done):
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done


def is_refused(done, scheme="socks5h"):
    code, words = (56, "407") if scheme == "http" else (97, "rejected")
    assert done.returncode == code and words in done.stderr, done


def is_closed(done):
    """Before any byte of an answer."""
    assert done.returncode != 0 and done.stdout == "", done
    assert "rejected" not in done.stderr and "(2)" not in done.stderr, done


def is_blocked(done):
    assert done.returncode == 97 and "(2)" in done.stderr, done


# ---- a login


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_userpass(suite, url, scheme):
    user = f"file-{scheme}"
    suite.add_user(user)
    is_let_in(suite.ask(FILES, url, f"{user}:right", scheme))
    suite.record(f"&user={user}", status="closed", auth_method="userpass")
    for wrong in ("wrong", "righ", "right2"):
        is_refused(suite.ask(FILES, url, f"{user}:{wrong}", scheme), scheme)
    # PAM knows nothing of it.
    is_refused(suite.ask(STAFF, url, f"{user}:right", scheme), scheme)


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_pam_permit(suite, url, scheme):
    user = f"permitted-{scheme}"
    suite.service("sallyport", PERMIT)
    is_let_in(suite.ask(STAFF, url, f"{user}:anything", scheme))
    suite.record(f"&user={user}", status="closed", auth_method="pam.username")
    # And the users file knows nothing of that.
    is_refused(suite.ask(FILES, url, f"{user}:anything", scheme), scheme)


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_pam_deny(suite, url, scheme):
    user = f"denied-{scheme}"
    suite.service("sallyport", DENY)
    is_refused(suite.ask(STAFF, url, f"{user}:right", scheme), scheme)
    suite.record(f"&user={user}", status="rejected", close_reason="auth_failed",
                 auth_method="pam.username")


def test_pam_unix(suite, url):
    suite.service("sallyport", UNIX)
    is_refused(suite.ask(STAFF, url, "ann:wrong"))
    is_let_in(suite.ask(STAFF, url, "ann:right"))
    is_refused(suite.ask(STAFF, url, "bob:right"))  # locked
    is_refused(suite.ask(STAFF, url, "root:right"))
    is_refused(suite.ask(STAFF, url, "nobody-at-all:right"))
    suite.record("&user=ann&status=closed", auth_method="pam.username")


def test_password_and_one_time_code_in_one_field(suite, url):
    suite.service("sallyport", OATH)
    suite.service("users.oath", "HOTP ann + 00\n")
    is_refused(suite.ask(STAFF, url, "ann:right000000"))
    is_refused(suite.ask(STAFF, url, "ann:328482"))
    is_refused(suite.ask(STAFF, url, "ann:wrong328482"))
    is_let_in(suite.ask(STAFF, url, "ann:right812658"))
    # From elsewhere nobody remembers that it was good once.
    is_refused(suite.ask(STAFF, url, "ann:right812658", source="127.0.0.5"))
    is_let_in(suite.ask(STAFF, url, "ann:right073348", source="127.0.0.5"))


def test_who_is_disabled_in_the_users_file_is_so_for_pam(suite, url):
    suite.service("sallyport", PERMIT)
    suite.add_user("carol")
    is_let_in(suite.ask(STAFF, url, "carol:anything"))
    suite.add_user("dave", ("disable", "dave"))
    is_refused(suite.ask(STAFF, url, "dave:anything"))


# ---- an address


def test_pam_address(suite, url):
    is_let_in(suite.ask(MACHINES, url))
    suite.record("&user=anonymous", auth_method="pam.address", source_ip="127.0.0.1")
    is_closed(suite.ask(MACHINES, url, source="127.0.0.66"))
    suite.record("&source_ip=127.0.0.66", status="rejected", close_reason="client_auth_failed",
                 auth_method="pam.address")


def test_a_network_has_a_name(suite, url):
    users = suite.state / "etc/users.toml"
    write(users, users.read_text() + '\n[[users]]\nusername = "farm"\nnetworks = ["127.0.0.7"]\n')
    assert suite.ctl("users", "reload").returncode == 0
    is_let_in(suite.ask(MACHINES, url, source="127.0.0.7"))
    suite.record("&user=farm", auth_method="pam.address", source_ip="127.0.0.7")
    suite.add_user("barn", ("networks", "barn", "127.0.0.8"))
    is_let_in(suite.ask(MACHINES, url, source="127.0.0.8"))
    suite.record("&user=barn", auth_method="pam.address", source_ip="127.0.0.8")
    taken = suite.ctl("users", "networks", "barn", "127.0.0.8", "127.0.0.7")
    assert taken.returncode == 5 and "of the user farm" in taken.stderr, taken


def test_an_address_and_a_login(suite, url):
    suite.add_user("both")
    is_closed(suite.ask(BOTH, url, "both:right", source="127.0.0.67"))
    suite.record("&source_ip=127.0.0.67", close_reason="client_auth_failed")
    is_refused(suite.ask(BOTH, url, "both:wrong"))
    is_let_in(suite.ask(BOTH, url, "both:right"))
    suite.record("&user=both&status=closed", auth_method="userpass")


# ---- groups


def test_groups_of_nss_decide(suite, url):
    suite.service("sallyport", PERMIT)
    there = url.replace("127.0.0.1", "127.0.0.3")
    is_let_in(suite.ask(STAFF, there, "ann:groups"))
    is_blocked(suite.ask(STAFF, there, "bob:groups"))
    is_let_in(suite.ask(STAFF, url, "bob:groups"))
    is_blocked(suite.ask(STAFF, url, "ben:groups"))
    suite.record("&user=ann&dest_ip=127.0.0.3", acl_rule_matched="admins")
    suite.record("&user=ben", acl_rule_matched="barred", close_reason="policy_block")
    # The same for a user of the file.
    suite.add_user("eve")
    is_blocked(suite.ask(FILES, url, "eve:right"))
