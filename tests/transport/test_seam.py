"""The seam: what stands on either side has the methods that the other calls."""

from __future__ import annotations

import asyncio
import inspect

import attrs
import pytest

from ccproxy.app import App as CcproxyApp
from ccproxy.transport.seam import App, Limits, Peer, Wire
from ccproxy.transport.serving import ClientConnection
from ccproxy.transport.upstream import UpstreamConnection


def methods(shape: type) -> set[str]:
    return {name for name, value in vars(shape).items() if inspect.isfunction(value) and not name.startswith("_")}


@pytest.mark.parametrize(
    ("thing", "shape"),
    [
        (asyncio.Transport, Wire),
        (ClientConnection, Peer),
        (UpstreamConnection, Peer),
        (CcproxyApp, App),
    ],
)
def test_shapes_are_filled(thing: type, shape: type) -> None:
    wanted = methods(shape)
    assert wanted
    assert wanted <= set(dir(thing))


def test_limits_are_checked_against_each_other() -> None:
    """An idle client is given longer than a head, and time is not coarser than what it measures."""
    limits = Limits()
    seconds = {f.name: getattr(limits, f.name) for f in attrs.fields(Limits) if f.name.endswith("_seconds")}
    assert limits.head_seconds < limits.idle_seconds
    assert all(limits.tick_seconds * 4 <= value for name, value in seconds.items() if name != "tick_seconds")
