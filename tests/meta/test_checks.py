#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks of this folder find what they are for."""
import pathlib
import tempfile
import unittest

import check_includes
import check_metrics
import check_samples
import check_schema
import check_tree
import tree


class Includes(unittest.TestCase):
    # The file, the include, and a word of the complaint; None: it is right.
    CASES = [
        ("common/base/str.c", '"base/str.h"', None),
        ("common/base/str.c", '"net/addr.h"', "may not include net"),
        ("common/net/addr.h", '"config/value.h"', "may not include config"),
        ("common/service/health.c", '"msg/topic.h"', "not at home"),
        ("services/proxy/conn.c", '"acld/policy.h"', "may not include acld"),
        ("services/proxy/conn.c", '"users/users_file.h"', "may not include"),
        ("services/proxy/conn.c", '"msg/topic.h"', "not at home"),
        ("services/proxy/asks.c", '"msg/topic.h"', None),
        ("services/proxy/asks.h", '"proto/auth.pb-c.h"', "not at home"),
        ("services/acld/acl_rpc.c", '"proto/decide.pb-c.h"', None),
        ("services/acld/policy.c", '"proto/decide.pb-c.h"', "not at home"),
        ("services/acld/policy.c", '"service/watch.h"', "not at home"),
        ("services/acld/policy.c", '"policy.h"', "write the room"),
        ("cli/out.c", '"out.h"', None),
        ("cli/out.c", '"apid/json.h"', "may not include apid"),
        ("common/msg/bus.c", "<nng/nng.h>", None),
        ("common/msg/bus.h", "<nng/nng.h>", "not at home"),
        ("services/proxy/pump.c", "<event2/event.h>", None),
        ("services/proxy/socks5.c", "<event2/event.h>", "to stay pure"),
        ("services/proxy/main.c", "<sqlite3.h>", "not at home"),
        ("services/apid/routes.c", "<civetweb.h>", "not at home"),
        ("services/apid/http.c", "<civetweb.h>", None),
        ("common/base/str.c", "<curl/curl.h>", "no home"),
        ("common/base/str.c", "<sys/stat.h>", None),
        ("common/base/str.c", "<vector>", "no home"),
        ("common/config/tree_toml.cc", "<vector>", None),
        ("tests/unit/acld/test_policy.c", '"acld/policy.h"', None),
    ]

    def test_cases(self):
        for path, include, complaint in self.CASES:
            with self.subTest(path=path, include=include):
                said = check_includes.judge(
                    path, include[0] == "<", include[1:-1])
                if complaint is None:
                    self.assertIsNone(said)
                else:
                    self.assertIn(complaint, said or "nothing")

    def test_every_spelling_is_seen(self):
        text = '#include "a.h"\n #  include <b.h>\n// #include "c.h"\n'
        self.assertEqual([n for _, n in check_includes.INCLUDE.findall(text)],
                         ["a.h", "b.h"])


class Tree(unittest.TestCase):
    LICENCE = b"/* SPDX-License-Identifier: MIT */\n"

    def said(self, path, data):
        return list(check_tree.judge(path, data))

    def test_licence(self):
        self.assertEqual(self.said("a.c", self.LICENCE), [])
        self.assertEqual(self.said("a.py", b"#!x\n# " + self.LICENCE), [])
        self.assertTrue(self.said("a.c", b"\n\n" + self.LICENCE))
        self.assertTrue(self.said("a/meson.build", b""))
        self.assertEqual(self.said("notes.txt", b""), [])

    def test_machine(self):
        for part in (b"work/main", b"work/shared/x", b"tmp/build-me"):
            self.assertIn("a.md:2:", self.said("a.md", b"x\n/" + part)[0])
        self.assertEqual(self.said("a.md", b"/home/work/mainly /tmp/x"), [])

    def test_size(self):
        self.assertEqual(self.said("a.bin", b"x" * (1 << 20)), [])
        self.assertTrue(self.said("a.bin", b"x" * ((1 << 20) + 1)))


class Metrics(unittest.TestCase):
    CASES = [
        ("COUNTER", "proxy_records_total", "L", "Records made", True),
        ("COUNTER", "proxy_records", "L", "Records made", False),
        ("GAUGE", "proxy_records_total", "L", "Records made", False),
        ("GAUGE", "process_things", "L", "Things", False),
        ("GAUGE", "Proxy_things", "L", "Things", False),
        ("GAUGE", "proxy_things", "L", "things", False),
        ("GAUGE", "proxy_things", "L", "Things.", False),
        ("HISTOGRAM", "proxy_wait_seconds", "L, B", "Waiting", True),
        ("HISTOGRAM", "proxy_wait", "L, B", "Waiting", False),
        ("HISTOGRAM", "proxy_wait_seconds", "L", "Waiting", False),
    ]

    def test_cases(self):
        for *line, right in self.CASES:
            with self.subTest(line=line):
                self.assertEqual(not list(check_metrics.judge(*line)), right)


class Schema(unittest.TestCase):
    """Copies of what there is, with one word changed."""

    COPIED = ["common/audit/record.c",
              *(f"{check_schema.SCHEMA}/{kind}/0001_initial.sql"
                for kind in ("sqlite", "postgresql"))]
    CASES = [
        (1, "\tclose_detail\t", "\tclosed_detail\t", "session.closed_detail"),
        (2, "\tkey\t", "\tname\t", "rollup_hour.key"),
        (2, "TABLE sallyport.audit_gap", "TABLE sallyport.gap", "audit_gap"),
        (2, "'redirect'", "'redirected'", "names in decision"),
        (0, '"http")', '"http", "h2")', "names in carrier"),
    ]

    def said(self, number, old, new):
        with tempfile.TemporaryDirectory() as top:
            for i, name in enumerate(self.COPIED):
                text = (tree.ROOT / name).read_text()
                if i == number:
                    self.assertIn(old, text)
                    text = text.replace(old, new)
                path = pathlib.Path(top) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check_schema.judge(pathlib.Path(top))

    def test_cases(self):
        self.assertEqual(self.said(0, "", ""), [])
        for number, old, new, complaint in self.CASES:
            with self.subTest(new=new):
                self.assertIn(complaint, "\n".join(self.said(number, old, new)))


class Samples(unittest.TestCase):
    def test_each_is_asked_about(self):
        kinds = {ending for _, ending, _ in check_samples.samples()}
        self.assertEqual(kinds, {"toml", "yaml"})
        self.assertFalse(check_samples.main("/bin/true"))
        self.assertTrue(check_samples.main("/bin/false"))


if __name__ == "__main__":
    unittest.main()
