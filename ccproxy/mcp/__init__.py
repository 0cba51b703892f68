"""The MCP endpoint and the servers behind it: every tool once, behind one address.

    client ──> transport (handing) ──> endpoint ──> session ──> views ──> hub ──> connection ──> server
               HTTP as ASGI            HTTP         streams     what a     whose   one each,
                                                                group sees it is   restarted

Async code of its own, on anyio and on the official SDK. Nothing of this is imported unless `[mcp]` is configured.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ccproxy.config import Config


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what the SDK imports
        yield


with _quietly():
    from ccproxy.mcp.endpoint import Endpoint
    from ccproxy.mcp.hub import Hub, Status

__all__ = ["Endpoint", "Hub", "Status", "endpoint_for"]

for _name in ("mcp", "client", "httpx2", "sse_starlette"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)
"""The SDK logs tracebacks with whole messages in them; what a person needs to know is said here, in a line."""


def endpoint_for(config: Config, version: str) -> Endpoint:
    """The endpoint of a configuration, with its hub. `run` is its background job."""
    return Endpoint(Hub(config), version, config.limits.max_body)
