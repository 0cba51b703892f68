"""ccproxy: any client of five LLM protocols through any upstream of the five.

The converters are here; a server inside a running loop is `ccproxy.transport.on_asyncio.serve` with a `ccproxy.app.App`.
"""

from __future__ import annotations

from ccproxy.convert import Converted, StreamConverter, convert_request, convert_response, new_context
from ccproxy.errors import CcproxyError, RequestError, Unsupported, UpstreamError

__all__ = [
    "CcproxyError",
    "Converted",
    "RequestError",
    "StreamConverter",
    "Unsupported",
    "UpstreamError",
    "convert_request",
    "convert_response",
    "new_context",
]
