# SPDX-License-Identifier: MIT
"""The numbered cases of the specification, and those that come later."""

TESTED = [*range(1, 82), 89]
LATER = {
    range(82, 88): "GSSAPI (RFC 1961) is not in this release; offered alone it is refused as in case 8",
    range(88, 89): "the PROXY protocol comes with its own stream layer",
    range(90, 91): "TLS listeners come with their own stream layer",
}
