"""What the fake upstream says, in each of the five protocols and ready to be written: heads, pieces and ends in bytes.

The records are those of `traffic`. A paced stream's pieces are stamped with the time at which they leave: one clock serves
all processes of a machine (CLOCK_MONOTONIC), so whoever reads the stamp, on either side of a proxy, knows how long it took.
"""

from __future__ import annotations

import re
from functools import cache

from attrs import frozen

from ccproxy.codec import jsontext
from ccproxy.convert import convert_response, new_context
from ccproxy.measure.traffic import COUNT, framed, scripts, words
from ccproxy.model import JSON

FIRST_WORD = b"Well"
"""Stands in the first content of every stream, and in whole answers, whatever protocol it is converted to."""

STAMP = re.compile(rb"~(\d{16})~")
"""A stamp in a client's bytes: microseconds of the monotonic clock, as wide for each."""

_STAMP = b"~%016d~"

LAST_CHUNK = b"0\r\n\r\n"

_EVENTS = b"content-type: text/event-stream\r\ncache-control: no-cache\r\n"
_LINES = b"content-type: application/x-ndjson\r\n"
_BY_LINE = frozenset({"ollama"})


@frozen
class Speech:
    """A protocol's stream. lead: what comes before the text and its first word, as one HTTP chunk. pieces: text, each an
    HTTP chunk. stamped: a piece's template, for `%` with a stamp. tail: what ends the stream, last chunk included."""

    head: bytes
    lead: bytes
    pieces: list[bytes]
    stamped: bytes
    tail: bytes


@cache
def speech(protocol: str) -> Speech:
    """How an upstream of that protocol streams text."""
    known = scripts(protocol)
    text = known["text"]
    ends = [known[kind].lead[len(text.lead) :] + known[kind].measured for kind in ("usage", "finish") if known[kind].single]
    kind = _LINES if protocol in _BY_LINE else _EVENTS
    return Speech(
        head=b"HTTP/1.1 200 OK\r\n" + kind + b"transfer-encoding: chunked\r\n\r\n",
        lead=chunk(b"".join(framed(protocol, payload) for payload in text.lead)),
        pieces=[chunk(framed(protocol, payload)) for payload in text.measured],
        stamped=_template(protocol, text.measured),
        tail=chunk(b"".join(framed(protocol, payload) for payload in max(ends, key=len))) + LAST_CHUNK,
    )


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _template(protocol: str, payloads: list[bytes]) -> bytes:
    """The last piece with a stamp in the place of its words; their number differs from protocol to protocol."""
    for count in (24, 12, 1):
        said = words(COUNT - 1, count).encode()
        if said in payloads[-1]:
            stamp = _STAMP % 0
            whole = chunk(framed(protocol, payloads[-1].replace(said, stamp)))
            return whole.replace(b"%", b"%%").replace(stamp, _STAMP)
    raise AssertionError(f"the text of {protocol} holds none of its words")


@cache
def whole(protocol: str) -> bytes:
    """A whole answer of that protocol, with its head."""
    context = new_context(client=protocol, upstream="openai", model="gpt-5-mini")
    body = convert_response(jsontext.dumps(_ANSWER), context)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    return head + body


_TEXT = FIRST_WORD.decode() + words(0, 120)

_ANSWER: JSON = {
    "id": "chatcmpl-D7aQ0yPzbench00000000000000",
    "object": "chat.completion",
    "created": 1770000000,
    "model": "gpt-5-mini-2025-08-07",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _TEXT, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 2048, "completion_tokens": 160, "total_tokens": 2208},
    "service_tier": "default",
}


def protocol_of(path: bytes) -> str:
    """The protocol whose upstream has this path."""
    return next(name for name, part in _PATHS.items() if part in path)


_PATHS = {
    "openai": b"/chat/completions",
    "responses": b"/responses",
    "claude": b"/messages",
    "gemini": b":",
    "ollama": b"/api/chat",
}
