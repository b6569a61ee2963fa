# SPDX-License-Identifier: MIT
"""Editing the policy while traffic runs."""
import time

from stack import wait_for

OPEN = """
  [[users.rules]]
  id = "demo-{name}"
  action = "{action}"
  destinations = ["127.0.0.0/8", "::1/128"]
  ports = ["{port}"]
  {more}
"""


def works(stack, port):
    return stack.curl(f"http://127.0.0.1:{port}/").returncode == 0


def replace(path, text):
    """As an editor does: a new file over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o644)
    new.rename(path)


def test_an_edit_takes_effect(stack, servers):
    policy = stack.state / "etc/acl.toml"
    before = policy.read_text()
    assert works(stack, servers.port)

    replace(policy, before + OPEN.format(name="shut", action="block", port=servers.port, more=""))

    def blocked():
        # Else it failed, as where acld was asked in vain.
        return not works(stack, servers.port) and stack.history("&status=rejected")

    rows = wait_for("the block", blocked)
    assert rows[0]["close_reason"] == "policy_block"
    assert rows[0]["acl_rule_matched"] == "demo-shut"

    # In place this time, not by a new file.
    policy.write_text(before)
    wait_for("the old policy", lambda: works(stack, servers.port))


def test_a_broken_edit_changes_nothing_and_is_reported(stack, servers):
    policy = stack.state / "etc/acl.toml"
    before = policy.read_text()
    replace(policy, before.replace('action = "allow"', 'action = "alow"', 1))
    wait_for("the report", lambda: "acl.toml:" in stack.log() and "alow" in stack.log())
    assert works(stack, servers.port)
    assert "policy_rejected" in stack.log()

    replace(policy, before + "\n[[users]\n")
    start = time.monotonic()
    while time.monotonic() < start + 1:
        assert works(stack, servers.port)
    replace(policy, before)
    assert works(stack, servers.port)


def test_loading_warns_where_a_range_stays_closed(stack):
    policy = stack.state / "etc/acl.toml"
    rule = OPEN.format(name="lan", action="allow", port="443", more="").replace(
        '"127.0.0.0/8", "::1/128"', '"10.0.0.0/8"'
    )
    replace(policy, policy.read_text() + rule)
    wait_for("the warning", lambda: "allow_internal" in stack.log())
    line = next(line for line in stack.log().splitlines() if "allow_internal" in line)
    assert "demo-lan" in line and "10.0.0.0/8" in line
