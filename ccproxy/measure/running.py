"""Runs suites one after the other and gathers what they found, with the machine's mood around them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ccproxy.measure.machine import machine, versions
from ccproxy.measure.noise import Watch
from ccproxy.measure.results import Measure, Run
from ccproxy.measure.suite import Progress, Setting, Suite


def load(name: str, known: Mapping[str, str]) -> Suite:
    """The suite of that name; its module is imported now, since some need packages of their own."""
    suite: Suite = importlib.import_module(known[name]).SUITE
    return suite


def run(suites: Iterable[Suite], setting: Setting) -> Run:
    """One after the other; what a suite yields before it fails is lost with it."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    watch = Watch()
    measures: list[Measure] = []
    for suite in suites:
        progress = Progress(suite.name)
        try:
            measures += suite.run(setting, progress)
        finally:
            progress.end()
        watch.look()
    return Run(started, machine(), versions(), watch.told(), measures)
