"""Ollama's native protocol: POST /api/chat, answered as one JSON document a line, streamed unless `stream` is false.

Documentation: docs.ollama.com, "API Reference"; the types are in ollama/ollama, `api/types.go`.
"""

from __future__ import annotations

from ccproxy.codec.ndjson import NDJSONReader
from ccproxy.model import JSON
from ccproxy.protocols.base import Chat, Models, Protocol, Route
from ccproxy.protocols.ollama.answers import (
    read_answer,
    read_models,
    write_answer,
    write_error,
    write_model,
    write_models,
)
from ccproxy.protocols.ollama.embeddings import EMBED, EMBEDDINGS, LEGACY
from ccproxy.protocols.ollama.generate import alone, path, peek, read_request, write_request
from ccproxy.protocols.ollama.requests_in import CHAT, GENERATE, NAME
from ccproxy.protocols.ollama.requests_out import PATH
from ccproxy.protocols.ollama.show import RUNNING, VERSION, write_show
from ccproxy.protocols.ollama.stream import STREAM_TYPE, Decoder, Encoder, Tap, repeats


def _speaks(message: JSON) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"


PROTOCOL = Protocol(
    name=NAME,
    title="Ollama",
    routes=(
        Route(method="POST", path=PATH, operation="chat", shape=CHAT),
        Route(method="POST", path="/api/generate", operation="chat", shape=GENERATE),
        Route(method="POST", path="/api/embed", operation="embeddings", shape=EMBED),
        Route(method="POST", path="/api/embeddings", operation="embeddings", shape=LEGACY),
        Route(method="POST", path="/api/show", operation="show"),
        Route(method="GET", path="/api/tags", operation="models"),
        Route(method="GET", path="/api/ps", operation="fixed", document=RUNNING),
        Route(method="GET", path="/api/version", operation="fixed", document=VERSION),
    ),
    chat=Chat(
        quiet=frozenset({"logprobs", "top_logprobs"}),
        quiet_within=frozenset({"type", "content"}),  # spellings that are kept beside what the model holds of them
        read_request=read_request,
        write_request=write_request,
        read_answer=read_answer,
        write_answer=write_answer,
        decoder=Decoder,
        encoder=Encoder,
        tap=Tap,
        reader=NDJSONReader,
        repeats=repeats,
        stream_type=lambda context: STREAM_TYPE,
        conversation=("messages",),
        speaks=_speaks,
        peek=peek,
        path=path,
        native_shapes=frozenset({"", CHAT, GENERATE}),
        alone=alone,
        record_end=b"\n",
    ),
    embeddings=EMBEDDINGS,
    models=Models(path="/api/tags", read=read_models, write=write_models, write_one=write_model, show=write_show),
    write_error=write_error,
    key_headers=lambda key: [("authorization", f"Bearer {key}")],
    base_url="http://localhost:11434",
    sdk_suffix=("/v1", "/api"),
)
