#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/tools/count_results.py counts what ran, and only that."""
import io
import json
import pathlib
import sys
import tempfile
import unittest
from contextlib import redirect_stdout

import tree

sys.path.insert(0, str(tree.ROOT / "tests/tools"))
import count_results  # noqa: E402

CMOCKA = """[==========] Running 4 test(s).
[ RUN      ] good
[       OK ] good
[ RUN      ] as_root
needs root
[  SKIPPED ] as_root
[ RUN      ] mute
[  SKIPPED ] mute
{last}
[==========] 4 test(s) run.
[  PASSED  ] {passed} test(s).
[  SKIPPED ] 2 test(s), listed below:
[  SKIPPED ] as_root
[  SKIPPED ] mute
"""
ALL_WELL = CMOCKA.format(last="[ RUN      ] b\n[       OK ] b", passed=2)
ONE_BAD = CMOCKA.format(last="[ RUN      ] b\n[  FAILED  ] b", passed=1) + \
    "[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] b\n"
SKIPS = ["SKIPPED a: t.as_root: needs root",
         "SKIPPED a: t.mute: it does not say why"]
PYTEST = """<testsuites><testsuite>
<testcase classname="x" name="ok"/>
<testcase classname="x" name="bad"><failure message="no"/></testcase>
<testcase classname="x" name="broken"><error message="no"/></testcase>
<testcase classname="x" name="out"><skipped message="no disk"/></testcase>
</testsuite></testsuites>"""


def log(result, output):
    return json.dumps({"name": "t", "result": result, "stdout": output})


class Count(unittest.TestCase):
    # Files, the lines said, the exit status.
    CASES = [
        ({}, ["0 passed, 0 failed"], 1),
        ({"a.json": log("OK", ALL_WELL)},
         [*SKIPS, "2 passed, 0 failed"], 0),
        ({"a.json": log("FAIL", ONE_BAD)},
         [*SKIPS, "FAILED a: t (FAIL)", "1 passed, 1 failed"], 1),
        ({"a.json": log("TIMEOUT", "[ RUN      ] good\n")},
         ["FAILED a: t (TIMEOUT)", "0 passed, 1 failed"], 1),
        ({"a.json": log("FAIL", "segmentation fault")},
         ["FAILED a: t (FAIL)", "0 passed, 1 failed"], 1),
        ({"a.json": log("OK", "no cases")}, ["1 passed, 0 failed"], 0),
        ({"a.json": log("SKIP", "no shellcheck here\n")},
         ["SKIPPED a: t: no shellcheck here", "0 passed, 0 failed"], 1),
        ({"b-e2e.xml": PYTEST},
         ["SKIPPED b-e2e: x.out: no disk", "FAILED b-e2e: x.bad",
          "FAILED b-e2e: x.broken", "1 passed, 2 failed"], 1),
        ({"passed": "tidy\ncppcheck\n", "skipped": "containers: no engine\n"},
         ["SKIPPED containers: no engine", "2 passed, 0 failed"], 0),
        ({"passed": "tidy\n", "failed": "build clang\n"},
         ["FAILED build clang", "1 passed, 1 failed"], 1),
    ]

    def test_cases(self):
        for files, lines, status in self.CASES:
            with self.subTest(files=files), \
                    tempfile.TemporaryDirectory() as where:
                for name, text in files.items():
                    pathlib.Path(where, name).write_text(text)
                out = io.StringIO()
                with redirect_stdout(out):
                    self.assertEqual(count_results.main(where), status)
                self.assertEqual(out.getvalue().splitlines(), lines)


if __name__ == "__main__":
    unittest.main()
