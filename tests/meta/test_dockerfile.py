#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_dockerfile finds what it is for: each case spoils the real file."""
import unittest

import check_dockerfile as check
import tree

TEXT = check.read(tree.ROOT, "deploy", "Dockerfile")
IGNORE = check.read(tree.ROOT, ".dockerignore")


class Dockerfile(unittest.TestCase):
    # What is replaced, by what, and a word of the complaint.
    CASES = [
        ("USER 10001:10001", "USER sallyport", "two numbers"),
        ("USER 10001:10001", "USER 10001", "two numbers"),
        ("USER 10001:10001", "USER 0:10001", "above 0"),
        ("USER 10001:10001", "", "two numbers"),
        ("image.licenses=", "image.license=", "no label licenses"),
        ("image.revision=", "image.rev=", "no label revision"),
        ('ENTRYPOINT ["/usr/bin/sallyport-authd"]',
         "ENTRYPOINT /usr/bin/sallyport-authd", "authd: ENTRYPOINT is not"),
        ('CMD ["--config"', 'CMD --config ["', "CMD is not in exec form"),
        ('CMD ["/usr/bin/sallyport-acld", ',
         'CMD ["/bin/sh", "-c", "curl", ', "acld: HEALTHCHECK is not"),
        ("HEALTHCHECK NONE", 'HEALTHCHECK CMD ["sallyctl"]', "cli: nothing"),
        ("EXPOSE 9182", "EXPOSE 80", "authd: port 80"),
        ("rm -rf /var/lib/apt/lists/*", "true", "lists of packages"),
        ("COPY common", "ADD https://example.com/x", "ADD https"),
        ("COPY common", "COPY --chmod=755 common", "needs BuildKit"),
        ("RUN meson", "RUN --mount=type=cache,target=/c meson", "BuildKit"),
        ("RUN meson", "RUN <<EOF meson", "needs BuildKit"),
        ("ARG REVISION=unknown", "ENV SALLYPORT_PASSWORD=x", "a secret"),
        ("ARG REVISION=unknown", "ARG SIGNING_KEY", "a secret"),
        ("AS apid", "AS api", "no target apid"),
    ]

    def test_the_file_itself(self):
        self.assertEqual(check.main(tree.ROOT), 0)

    def test_each_fault_is_found(self):
        for old, new, complaint in self.CASES:
            with self.subTest(new=new):
                self.assertIn(old, TEXT)
                said = list(check.judge(TEXT.replace(old, new)))
                self.assertIn(complaint, "\n".join(said))

    def test_script_that_leaves_lists(self):
        self.assertEqual(list(check.judge_scripts(
            {"a.sh": "apt-get update\n" + check.LISTS})), [])
        self.assertEqual(len(list(check.judge_scripts(
            {"a.sh": "apt-get update\n"}))), 1)

    def test_copy_that_is_ignored(self):
        self.assertEqual(list(check.judge_copies(TEXT, IGNORE)), [])
        said = list(check.judge_copies(
            TEXT, IGNORE.replace("!services\n", "").replace("!cli\n", "")))
        self.assertEqual(len(said), 2)

    def test_version_of_the_build(self):
        self.assertEqual(len(list(check.judge_version(
            TEXT, "version: '9.9.9',"))), 1)
        self.assertEqual(len(list(check.judge_version("", ""))), 1)


if __name__ == "__main__":
    unittest.main()
