"""Measurements: what conversion and the way through the proxy cost on this machine.

`results` says what a measurement is, `suite` what a suite is and is told, `noise` what else the machine did, `machine`
what it is, `timing` how short work is timed, `running` runs suites, `report` tells them on a terminal. A suite is a module
with a `SUITE`; those named here ship with the package and stand behind `ccproxy bench`, the others are in the repository's
`bench/`.
"""

from __future__ import annotations

SUITES: dict[str, str] = {
    "chunks": "ccproxy.measure.chunks",
    "requests": "ccproxy.measure.requests",
    "ttft": "ccproxy.measure.ttft",
}
"""Suite -> its module."""
