"""Answers to clients that say `functions` (OpenAI API reference, "Create chat completion", deprecated members).

They know one `function_call` a message, without an id, and the finish reason of that name; tool calls mean nothing to them.
An upstream of another protocol is asked for one call at a time; what it calls beside that is left out, with a note.
"""

from __future__ import annotations

from ccproxy.codec import jsontext
from ccproxy.model import JSON, Answer, Context, Finish, Request
from ccproxy.protocols import streams
from ccproxy.protocols.base import Call
from ccproxy.protocols.openai import answers, requests, stream
from ccproxy.protocols.openai.terms import NAME
from ccproxy.protocols.openai.tools import LEGACY

_FINISH = "function_call"


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `Operation.peek`. The context's shape says which way the client knows."""
    requests.peek(document, context, call)
    context.shape = _shape_of(document)


def _shape_of(document: dict[str, JSON]) -> str:
    return LEGACY if document.get("functions") and not document.get("tools") else ""


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """See `Operation.read_request`."""
    request = requests.read_request(document, context, call)
    context.shape = _shape_of(document)
    if context.shape == LEGACY and context.upstream != NAME:
        request.parallel_tool_calls = False
    return request


def write_answer(answer: Answer, context: Context) -> dict[str, JSON]:
    """See `Chat.write_answer`."""
    document = answers.write_answer(answer, context)
    choice = document["choices"][0]
    if context.shape != LEGACY or "tool_calls" not in choice["message"]:
        return document
    first, *others = choice["message"].pop("tool_calls")
    choice["message"]["function_call"] = first.get("function")
    choice["finish_reason"] = _FINISH if answer.finish == "tool_calls" else choice["finish_reason"]
    if others:
        _note(context)
    return document


def encoder(context: Context) -> streams.Encoder:
    return FunctionsEncoder(context) if context.shape == LEGACY else stream.Encoder(context)


class FunctionsEncoder(stream.Encoder):
    """`only`: the key of the call that is told. silent: it has no arguments yet."""

    __slots__ = ("_only", "_silent")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._only: int | None = None
        self._silent = True

    def tool_start(self, key: int, id: str, name: str, kind: str = "function") -> None:
        if self._only is not None:
            _note(self.context)
            return
        self._only = key
        content = b'"content":null,' if self._lead else b""
        self._delta(b'%b"function_call":{"name":%b,"arguments":""}' % (content, jsontext.dumps(name)))

    def tool_arguments(self, key: int, text: str) -> None:
        if key == self._only:
            self._silent = False
            self._delta(b'"function_call":{"arguments":%b}' % jsontext.dumps(text))

    def tool_end(self, key: int) -> None:
        if self._silent:
            self.tool_arguments(key, "{}")

    def finish(self, reason: Finish, stop_sequence: str | None = None) -> None:
        start = len(self.out)
        super().finish(reason, stop_sequence)
        if reason == "tool_calls":
            ours, theirs = b'"finish_reason":"tool_calls"', b'"finish_reason":"%b"' % _FINISH.encode()
            self.out[start:] = [piece.replace(ours, theirs) for piece in self.out[start:]]


def _note(context: Context) -> None:
    context.note("a second call was left out: the client's `functions` have place for one")
