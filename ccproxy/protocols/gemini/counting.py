"""Counting a request's tokens (Gemini API reference, "models.countTokens"; Vertex AI's takes the tools and the system text
beside the contents).

    {contents}                            the turns alone
    {generateContentRequest: {...}}       a whole request, which names its model: never relayed under another name
"""

from __future__ import annotations

from typing import Any

from ccproxy.errors import RequestError
from ccproxy.model import JSON, Context, Request, Target
from ccproxy.protocols.base import Call, Counting
from ccproxy.protocols.gemini import requests_in, requests_out
from ccproxy.protocols.gemini.wire import SEALED, either

WHOLE = "generateContentRequest"
"""The context's shape where the request is wrapped."""


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `base.Operation`."""
    return requests_out.action_path(target, "countTokens")


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `base.Operation`."""
    whole = either(document, WHOLE)
    requests_in.peek(_inner(document), context, call)
    context.stream = False
    context.shape = "" if whole is None else WHOLE


def _inner(document: dict[str, JSON]) -> dict[str, Any]:
    whole = either(document, WHOLE)
    if whole is None:
        return document
    if not isinstance(whole, dict):
        raise RequestError(f"{WHOLE} must be an object", param=WHOLE)
    return whole


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """See `base.Operation`."""
    peek(document, context, call)
    shape = context.shape
    request = requests_in.read_request(_inner(document), context, call)
    context.stream, context.shape = False, shape
    return request


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `base.Operation`."""
    written = requests_out.write_request(request, target, context)
    said = request.extras.fields if request.extras is not None else {}
    # Beside bare turns the Gemini API takes nothing more, so that what a policy has added needs the whole request.
    if context.shape != WHOLE and not ("systemInstruction" in written and "systemInstruction" not in said):
        return written
    return {WHOLE: {**written, "model": requests_out.resource(target.model)}}


def write_answer(count: int, context: Context) -> dict[str, JSON]:
    """See `base.Counting`."""
    return {"totalTokens": count}


COUNTING = Counting(
    peek=peek,
    read_request=read_request,
    write_request=write_request,
    write_answer=write_answer,
    path=path,
    unfit=(SEALED,),
)
