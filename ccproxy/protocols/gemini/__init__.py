"""Gemini's generateContent, as the Gemini API (AI Studio) and Vertex AI speak it.

A conversation is `contents`, turns of `user` and `model` with parts; results of tools are parts of a user's turn. The model
and the action stand in the path. Streams are chunks of the same form as whole answers.

Documentation: ai.google.dev/api/generate-content and ai.google.dev/gemini-api/docs; each rule names its page.
"""

from __future__ import annotations

from ccproxy.codec.sse import SSEReader
from ccproxy.model import JSON
from ccproxy.protocols.base import Chat, Headers, Models, Protocol, Route
from ccproxy.protocols.gemini.answers import read_answer, read_models, write_answer, write_model, write_models
from ccproxy.protocols.gemini.counting import COUNTING
from ccproxy.protocols.gemini.embeddings import BATCH, EMBEDDINGS, ONE
from ccproxy.protocols.gemini.generation import refit
from ccproxy.protocols.gemini.requests_in import peek, read_request
from ccproxy.protocols.gemini.requests_out import path, write_request
from ccproxy.protocols.gemini.stream import SSE, Decoder, Encoder, Tap, repeats, stream_type
from ccproxy.protocols.gemini.terms import write_error
from ccproxy.protocols.gemini.wire import NAME, SEALED

_PREFIXES = ("/v1beta/models", "/v1/models", "/v1alpha/models", "/models")


def _key_headers(key: str) -> Headers:
    return [("x-goog-api-key", key)]


def _speaks(content: JSON) -> bool:
    return isinstance(content, dict) and content.get("role") == "model"


_RAW = """
    role thought parameters mode allowedFunctionNames allowed_function_names
    responseMimeType response_mime_type responseSchema response_schema responseJsonSchema response_json_schema
    functionResponse.id functionResponse.name functionResponse.response functionResponse.parts
    function_response.id function_response.name function_response.response function_response.parts
"""
QUIET_WITHIN = frozenset(_RAW.split())
"""Spellings that are kept beside what the model holds of them."""

CHAT = Chat(
    read_request=read_request,
    write_request=write_request,
    read_answer=read_answer,
    write_answer=write_answer,
    decoder=Decoder,
    encoder=Encoder,
    tap=Tap,
    reader=SSEReader,
    repeats=repeats,
    stream_type=stream_type,
    conversation=("contents", "systemInstruction", "system_instruction"),
    speaks=_speaks,
    peek=peek,
    path=path,
    native_shapes=frozenset({SSE}),
    refit=refit,
    quiet=frozenset({"model", "systemInstruction"}),
    quiet_within=QUIET_WITHIN,
    unfit=(SEALED,),
)

PROTOCOL = Protocol(
    name=NAME,
    title="Gemini",
    routes=(
        *(Route(method="POST", path=f"{p}/{{model}}:generateContent", operation="chat", stream=False) for p in _PREFIXES),
        *(
            Route(method="POST", path=f"{p}/{{model}}:streamGenerateContent", operation="chat", stream=True)
            for p in _PREFIXES
        ),
        *(Route(method="POST", path=f"{p}/{{model}}:countTokens", operation="count", stream=False) for p in _PREFIXES),
        *(
            Route(method="POST", path=f"{p}/{{model}}:{action}", operation="embeddings", shape=action)
            for p in _PREFIXES
            for action in (ONE, BATCH)
        ),
        *(Route(method="GET", path=p, operation="models") for p in _PREFIXES),
        *(Route(method="GET", path=f"{p}/{{model}}", operation="model") for p in _PREFIXES),
    ),
    chat=CHAT,
    embeddings=EMBEDDINGS,
    count=COUNTING,
    models=Models(path="/v1beta/models", read=read_models, write=write_models, write_one=write_model),
    write_error=write_error,
    key_headers=_key_headers,
    base_url="https://generativelanguage.googleapis.com",
    marks=frozenset({"x-goog-api-key", "x-goog-api-client", "?key"}),
    sdk_suffix=("/v1beta", "/v1alpha", "/v1"),
)
