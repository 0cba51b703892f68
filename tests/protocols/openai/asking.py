"""Requests of this protocol's clients for tests."""

from __future__ import annotations

import copy
from typing import Any

from ccproxy.model import Request, Target
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai.requests import read_request, write_request
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.judge import context

USER = {"role": "user", "content": "Hi"}
TARGET = Target(protocol=NAME, model="m")


def asking(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [USER], **fields}


def read(document: Any, **fields: Any) -> Request:
    return read_request(copy.deepcopy(document), context(**fields), Call())


def written_back(document: Any) -> Any:
    own = context()
    request = read_request(copy.deepcopy(document), own, Call())
    return write_request(request, TARGET, own)


def parts_of(message: Any, **fields: Any) -> list[Any]:
    """The parts of one message without what only its writer needs."""
    parts = read(asking(message, **fields)).messages[0].parts
    for part in parts:
        part.extras = None
    return parts


PNG = "data:image/png;base64,iVBORw0KGgo="
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"b": 1, "a": 2}'}}
CUSTOM = {"id": "d", "type": "custom", "custom": {"name": "p", "input": "*** Begin"}}
FUNCTION = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "z": 1, "a": 2}},
}
