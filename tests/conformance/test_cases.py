# SPDX-License-Identifier: MIT
"""That the suite is whole."""
import pathlib
import re

import cases


def test_every_case_has_a_test():
    found = set()
    for path in pathlib.Path(__file__).parent.glob("test_*.py"):
        found |= {int(n) for n in re.findall(r"^def test_case_(\d+)_", path.read_text(), re.M)}
    later = {case for numbers in cases.LATER for case in numbers}
    assert found == set(cases.TESTED) and not found & later
    assert found | later == set(range(1, 91))
