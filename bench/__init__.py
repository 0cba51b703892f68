"""The bench: every suite, those of the package included, comparisons and the page. `python -m bench list`."""

from __future__ import annotations

from ccproxy import measure

SUITES: dict[str, str] = {
    **measure.SUITES,
    "framing": "bench.framing",
    "streams": "bench.streams",
    "load": "bench.load",
    "far": "bench.far",
    "mcp": "bench.mcp",
    "peers": "bench.peers",
    "start": "bench.start",
}
"""Suite -> its module. Imported when it is run: some need packages of the `bench` extra."""

ASKED_FOR = frozenset({"peers"})
"""Suites that are no part of "all": they install what they measure, a gigabyte or so."""
