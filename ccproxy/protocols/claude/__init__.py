"""Anthropic's Messages API: `POST /v1/messages`, answered as one message or as server-sent events.

A turn is a list of typed blocks; tool results stand in user turns, thoughts carry a signature, and what the provider's own
tools did stands between them. Documentation: https://platform.claude.com/docs/en/api/messages ("Create a Message"),
"Streaming messages", "Errors", "List Models".

    requests_in   a client's request -> model              requests_out, turns_out   model -> an upstream's request
    answers       whole answers, errors, model lists       blocks                    an answer's blocks -> Sink calls
    stream        the Decoder and the Tap                  encoder                   Sink calls -> the stream
    thinking      from one of its two forms to the other
"""

from __future__ import annotations

from ccproxy.codec.sse import SSEReader
from ccproxy.model import JSON, Context
from ccproxy.protocols.base import Chat, Headers, Models, Protocol, Route
from ccproxy.protocols.claude.answers import (
    read_answer,
    read_models,
    write_answer,
    write_error,
    write_model,
    write_models,
)
from ccproxy.protocols.claude.counting import COUNTING
from ccproxy.protocols.claude.encoder import Encoder
from ccproxy.protocols.claude.requests_in import peek, read_request
from ccproxy.protocols.claude.requests_out import EMPTY_TEXTS, HEADERS, apart, path, write_request
from ccproxy.protocols.claude.stream import Decoder, Tap, repeats
from ccproxy.protocols.claude.terms import NAME
from ccproxy.protocols.claude.thinking import refit


def _key_headers(key: str) -> Headers:
    return [("x-api-key", key)]


def _stream_type(context: Context) -> str:
    return "text/event-stream; charset=utf-8"


def _speaks(message: JSON) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


QUIET_WITHIN = frozenset({"cache_control", "type", "source", "content", "input", "caller"})
"""Cache marks, which change no answer; spellings that are kept beside what the model holds of them; who made a call, which
only Anthropic's own tools ask."""

PROTOCOL = Protocol(
    name=NAME,
    title="Anthropic Messages",
    routes=(
        Route(method="POST", path="/v1/messages", operation="chat"),
        Route(method="POST", path="/v1/messages/count_tokens", operation="count"),
        Route(method="POST", path="/v1/claude/embeddings", operation="embeddings"),  # which this protocol has not
        Route(method="GET", path="/v1/models", operation="models"),
        Route(method="GET", path="/v1/models/{model}", operation="model"),
    ),
    chat=Chat(
        read_request=read_request,
        write_request=write_request,
        read_answer=read_answer,
        write_answer=write_answer,
        decoder=Decoder,
        encoder=Encoder,
        tap=Tap,
        reader=SSEReader,
        repeats=repeats,
        stream_type=_stream_type,
        conversation=("messages", "system"),
        speaks=_speaks,
        apart=apart,
        peek=peek,
        path=path,
        unfit=EMPTY_TEXTS,
        refit=refit,
        quiet=frozenset({"cache_control", "stream"}),
        quiet_within=QUIET_WITHIN,
        renames=True,
    ),
    count=COUNTING,
    models=Models(path="/v1/models", read=read_models, write=write_models, write_one=write_model),
    write_error=write_error,
    key_headers=_key_headers,
    base_url="https://api.anthropic.com",
    marks=frozenset({"anthropic-version"}),
    headers=HEADERS,
    pass_headers=frozenset({"anthropic-version", "anthropic-beta"}),
    statuses={},
    sdk_suffix=("/v1",),
)
