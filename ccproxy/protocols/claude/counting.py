"""Counting a request's tokens (Anthropic API reference, "Count tokens in a Message")."""

from __future__ import annotations

from ccproxy.model import JSON, Context, Request, Target
from ccproxy.protocols.base import Counting
from ccproxy.protocols.claude import requests_out
from ccproxy.protocols.claude.requests_in import peek, read_request

_NOT_COUNTED = frozenset(
    {"max_tokens", "metadata", "service_tier", "stop_sequences", "stream", "temperature", "top_k", "top_p"}
)
"""Members of a message request that the endpoint refuses as extra."""


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `base.Operation.path`."""
    return f"{requests_out.PATH}/count_tokens"


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `base.Operation.write_request`."""
    document = requests_out.write_request(request, target, context)
    return {name: value for name, value in document.items() if name not in _NOT_COUNTED}


def write_answer(count: int, context: Context) -> dict[str, JSON]:
    """See `base.Counting.write_answer`."""
    return {"input_tokens": count}


COUNTING = Counting(peek=peek, read_request=read_request, write_request=write_request, write_answer=write_answer, path=path)
