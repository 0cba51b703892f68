"""OpenAI's Chat Completions, and the many vendors that speak it too.

One POST with the whole conversation; the answer is one JSON document or server-sent events that end in `data: [DONE]`.
Documentation: platform.openai.com, API reference, "Chat Completions" and "Models"; the vendors' own pages are named where
their additions are read.

    terms      the protocol's words: finish reasons, usage, errors
    calls      tool calls put together from pieces          reading    chunks and answers -> Sink calls
    stream     Decoder, Encoder, Tap                        answers    whole answers, model lists
    functions  answers in the words that tools replaced     embeddings    vectors
    checks     what a client's document must be             parts, messages, tools, requests    requests, both ways
    foreign    requests of other protocols, made sayable
"""

from __future__ import annotations

from ccproxy.codec.sse import SSEReader
from ccproxy.model import JSON, Context
from ccproxy.protocols.base import Chat, Headers, Models, Protocol, Route
from ccproxy.protocols.openai.answers import read_answer, read_models, write_model, write_models
from ccproxy.protocols.openai.embeddings import EMBEDDINGS
from ccproxy.protocols.openai.functions import encoder, peek, read_request, write_answer
from ccproxy.protocols.openai.requests import path, write_request
from ccproxy.protocols.openai.stream import Decoder, Tap, repeats
from ccproxy.protocols.openai.terms import NAME, write_error
from ccproxy.protocols.openai.tools import LEGACY


def _key_headers(key: str) -> Headers:
    return [("authorization", f"Bearer {key}")]


def _stream_type(context: Context) -> str:
    return "text/event-stream"


def _speaks(message: JSON) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


_RAW = "type index content refusal text tool_calls thinking reasoning reasoning_content reasoning_details extra_content"
_MEDIA = "file.file_id file.file_data file.filename input_audio.data input_audio.format image_url"
_CALLS = "function.name function.arguments custom.name custom.input tools mode allowed_tools function_call"
_MARKS = "cache_control prompt_cache_breakpoint"
QUIET_WITHIN = frozenset(" ".join((_RAW, _MEDIA, _CALLS, _MARKS)).split())
"""Spellings that are kept beside what the model holds of them, and cache marks, which change no answer."""

PROTOCOL = Protocol(
    name=NAME,
    title="OpenAI Chat Completions",
    routes=(
        Route(method="POST", path="/v1/chat/completions", operation="chat"),
        Route(method="POST", path="/v1/embeddings", operation="embeddings"),
        Route(method="GET", path="/v1/models", operation="models"),
        Route(method="GET", path="/v1/models/{model}", operation="model"),
    ),
    chat=Chat(
        read_request=read_request,
        write_request=write_request,
        read_answer=read_answer,
        write_answer=write_answer,
        decoder=Decoder,
        encoder=encoder,
        tap=Tap,
        reader=SSEReader,
        repeats=repeats,
        stream_type=_stream_type,
        conversation=("messages",),
        speaks=_speaks,
        peek=peek,
        path=path,
        native_shapes=frozenset({"", LEGACY}),
        quiet=frozenset({"stream_options"}),
        quiet_within=QUIET_WITHIN,
    ),
    embeddings=EMBEDDINGS,
    models=Models(path="/models", read=read_models, write=write_models, write_one=write_model),
    write_error=write_error,
    key_headers=_key_headers,
    base_url="https://api.openai.com/v1",
    pass_headers=frozenset({"openai-beta", "x-client-request-id", "http-referer", "x-title"}),
    pass_answer_headers=frozenset({"openai-processing-ms", "openai-version"}),
    sdk_suffix=("/chat/completions",),
)
