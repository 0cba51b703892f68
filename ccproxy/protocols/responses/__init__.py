"""The OpenAI Responses API: a flat list of input items, and an answer of output items that streams as typed events.

Documentation: OpenAI API reference, "Responses" and "Streaming events"; guides "Conversation state", "Reasoning models".
"""

from __future__ import annotations

from ccproxy.codec.sse import SSEReader
from ccproxy.model import JSON, Context, Target
from ccproxy.protocols.base import Chat, Headers, Models, Protocol, Route
from ccproxy.protocols.responses import additional
from ccproxy.protocols.responses.answers import read_answer, read_models, write_answer, write_model, write_models
from ccproxy.protocols.responses.counting import COUNTING
from ccproxy.protocols.responses.encoder import Encoder
from ccproxy.protocols.responses.history import ANSWER, DELETE, HISTORY, INPUT
from ccproxy.protocols.responses.items_in import FROM_CLIENT
from ccproxy.protocols.responses.requests_in import peek, read_request
from ccproxy.protocols.responses.requests_out import PATH, write_request
from ccproxy.protocols.responses.stream import Decoder, repeats
from ccproxy.protocols.responses.tap import Tap
from ccproxy.protocols.responses.terms import NAME, write_error


def _key_headers(key: str) -> Headers:
    return [("authorization", f"Bearer {key}")]


def _stream_type(context: Context) -> str:
    return "text/event-stream; charset=utf-8"


def _path(target: Target, stream: bool, shape: str = "") -> str:
    return PATH


def _speaks(item: JSON) -> bool:
    """Items without a role are the model's, but for what clients say to its calls, and their tools."""
    if not isinstance(item, dict) or additional.is_item(item):
        return False
    return item["role"] == "assistant" if "role" in item else not str(item.get("type")).endswith(FROM_CLIENT)


_RAW = "type content summary encrypted_content $text name namespace annotations text refusal"
_CALLS = "output arguments input mode tools"
_MEDIA = "file_data filename file_url file_id image_url detail input_audio.data input_audio.format"
_STATE = "$place id call_id status $item.id $item.status $item.type $item.phase created_by logprobs"
_MARKS = "prompt_cache_breakpoint"
QUIET_WITHIN = frozenset(" ".join((_RAW, _CALLS, _MEDIA, _STATE, _MARKS)).split())
"""Spellings that are kept beside what the model holds of them; where tools stood; what an upstream said of items that it
made, ids and states; cache marks, which change no answer."""

PROTOCOL = Protocol(
    name=NAME,
    title="OpenAI Responses",
    routes=(
        Route(method="POST", path="/v1/responses", operation="chat"),
        Route(method="POST", path="/v1/responses/input_tokens", operation="count"),
        Route(method="GET", path="/v1/responses/{id}", operation="kept", shape=ANSWER),
        Route(method="DELETE", path="/v1/responses/{id}", operation="kept", shape=DELETE),
        Route(method="GET", path="/v1/responses/{id}/input_items", operation="kept", shape=INPUT),
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
        conversation=("input", "instructions"),
        speaks=_speaks,
        brings_tools=additional.is_item,
        peek=peek,
        path=_path,
        quiet=frozenset({"safety_identifier", "stream", "stream_options"}),
        quiet_within=QUIET_WITHIN,
        renames=True,
    ),
    count=COUNTING,
    history=HISTORY,
    models=Models(path="/models", read=read_models, write=write_models, write_one=write_model),
    write_error=write_error,
    key_headers=_key_headers,
    base_url="https://api.openai.com/v1",
    pass_headers=frozenset(
        {
            "openai-beta",
            "openai-organization",
            "openai-project",
            "originator",
            "session_id",
            "conversation_id",
            "x-client-request-id",
            "idempotency-key",
        }
    ),
    pass_answer_headers=frozenset({"openai-processing-ms", "openai-version", "openai-model"}),
    sdk_suffix=("/responses",),
)
