"""ccproxy: any client of five LLM protocols through any upstream of the five.

The converters are here; a server inside a running loop is `ccproxy.transport.on_asyncio.serve` with a `ccproxy.app.App`.
Their modules are imported at the first use of a name, so that a program which may never convert starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccproxy.convert import Converted, StreamConverter, convert_request, convert_response, new_context
    from ccproxy.errors import CcproxyError, RequestError, Unsupported, UpstreamError
    from ccproxy.turnwise import Conversations

__all__ = [
    "CcproxyError",
    "Conversations",
    "Converted",
    "RequestError",
    "StreamConverter",
    "Unsupported",
    "UpstreamError",
    "convert_request",
    "convert_response",
    "new_context",
]

_ELSEWHERE = {
    **dict.fromkeys(("CcproxyError", "RequestError", "Unsupported", "UpstreamError"), "ccproxy.errors"),
    "Conversations": "ccproxy.turnwise",
}


def __getattr__(name: str) -> Any:
    """PEP 562: called for a name that is not here yet."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "ccproxy.convert")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
