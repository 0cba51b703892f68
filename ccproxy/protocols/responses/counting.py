"""Counting a request's tokens (OpenAI API reference, "Get input token counts")."""

from __future__ import annotations

from ccproxy.model import JSON, Context, Request, Target
from ccproxy.protocols.base import Counting
from ccproxy.protocols.responses import requests_out
from ccproxy.protocols.responses.requests_in import peek, read_request

_COUNTED = frozenset(
    {
        "conversation",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    }
)


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `base.Operation.path`."""
    return f"{requests_out.PATH}/input_tokens"


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `base.Operation.write_request`."""
    document = requests_out.write_request(request, target, context)
    return {name: value for name, value in document.items() if name in _COUNTED}


def write_answer(count: int, context: Context) -> dict[str, JSON]:
    """See `base.Counting.write_answer`."""
    return {"object": "response.input_tokens", "input_tokens": count}


COUNTING = Counting(peek=peek, read_request=read_request, write_request=write_request, write_answer=write_answer, path=path)
