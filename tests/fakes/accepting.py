"""Whether a protocol's own types take a request: the official SDKs' request types, and nothing that they do not know.

Pydantic leaves out of a TypedDict what it does not know, so what was validated is compared with what was given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from anthropic.types import message_create_params
from google.genai import types as genai
from ollama._types import ChatRequest
from openai.types.chat import completion_create_params
from openai.types.responses import ResponseInputAudioParam, response_create_params
from pydantic import BaseModel, TypeAdapter

JSONObject = dict[str, Any]


class Widening(NamedTuple):
    """protocol: whose SDK's types are narrower than the published reference. what: is taken nevertheless. why: the
    documentation that has it. taken: the document without it, once it was looked at."""

    protocol: str
    what: str
    why: str
    taken: Callable[[JSONObject], JSONObject]


def _without_sampling(document: JSONObject) -> JSONObject:
    for name, least, most in (("temperature", 0, 1), ("top_p", 0, 1), ("top_k", 1, 2**31)):
        assert least <= document.get(name, least) <= most
    return {key: value for key, value in document.items() if key not in ("temperature", "top_p", "top_k")}


def _without_audio(document: JSONObject) -> JSONObject:
    return {**document, "input": [_heard(item) for item in document["input"]]}


def _heard(item: JSONObject) -> JSONObject:
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return {
        **item,
        "content": [part for part in content if part["type"] != "input_audio" or not _AUDIO.validate_python(part)],
    }


def _without_refusals(document: JSONObject) -> JSONObject:
    """With what an output message has beside its content."""
    given = {"id": "msg_1", "status": "completed"}
    return {**document, "input": [{**given, **item} if _refuses(item) else item for item in document["input"]]}


def _refuses(item: JSONObject) -> bool:
    content = item.get("content")
    return isinstance(content, list) and any(part["type"] == "refusal" for part in content)


def _without_thoughts(document: JSONObject) -> JSONObject:
    messages = [{key: value for key, value in one.items() if key != "reasoning_content"} for one in document["messages"]]
    assert all(one["role"] == "assistant" for one in document["messages"] if "reasoning_content" in one)
    return {**document, "messages": messages}


def _without_schemas(document: JSONObject) -> JSONObject:
    return {**document, "tools": [_unschemed(tool) for tool in document["tools"]]} if "tools" in document else document


def _unschemed(tool: JSONObject) -> JSONObject:
    assert tool["function"]["parameters"]["type"] == "object"
    return {**tool, "function": {**tool["function"], "parameters": {"type": "object"}}}


_AUDIO: TypeAdapter[Any] = TypeAdapter(ResponseInputAudioParam)

WIDENINGS = (
    Widening(
        "openai",
        "reasoning_content of an assistant's message",
        'for the models that demand their thoughts back (DeepSeek, "Thinking mode"; Kimi, "Use thinking models")',
        _without_thoughts,
    ),
    Widening(
        "claude",
        "temperature, top_p, top_k",
        "the SDK's types are those of API version 2026-10-21; in 2023-06-01, which ccproxy asks for, the API has them",
        _without_sampling,
    ),
    Widening(
        "responses",
        "input_audio in a message's content",
        'the SDK has the part (ResponseInputAudioParam), not in its list; reference, input: "Text, image, or audio input"',
        _without_audio,
    ),
    Widening(
        "responses",
        "an assistant's refusal without id and status",
        "they name what an upstream stored, and another protocol's answer was never there; the text form has no refusal",
        _without_refusals,
    ),
    Widening(
        "ollama",
        "any keyword of JSON Schema in a tool's parameters",
        'docs.ollama.com, "Tool calling": parameters are a JSON schema; the server leaves alone what it does not know',
        _without_schemas,
    ),
)

_ADAPTERS = {
    ("openai", True): TypeAdapter(completion_create_params.CompletionCreateParamsStreaming),
    ("openai", False): TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming),
    ("responses", True): TypeAdapter(response_create_params.ResponseCreateParamsStreaming),
    ("responses", False): TypeAdapter(response_create_params.ResponseCreateParamsNonStreaming),
    ("claude", True): TypeAdapter(message_create_params.MessageCreateParamsStreaming),
    ("claude", False): TypeAdapter(message_create_params.MessageCreateParamsNonStreaming),
}


def unknown_in(protocol: str, document: JSONObject) -> list[str]:
    """The paths of what the SDK's types do not know, but for the WIDENINGS. Raises ValidationError for what they refuse."""
    for widening in WIDENINGS:
        document = widening.taken(document) if widening.protocol == protocol else document
    return _lost(document, _VALIDATED[protocol](document), "")


def _typed(protocol: str) -> Callable[[JSONObject], Any]:
    def validate(document: JSONObject) -> Any:
        adapter: TypeAdapter[Any] = _ADAPTERS[protocol, document.get("stream") is True]
        return _plain(adapter.validate_python(document))

    return validate


def _plain(value: Any) -> Any:
    """With each lazily validated list read to its end."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, exclude_unset=True)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    return value


_GEMINI: dict[str, TypeAdapter[Any]] = {
    "contents": TypeAdapter(list[genai.Content]),
    "systemInstruction": TypeAdapter(genai.Content),
    "tools": TypeAdapter(list[genai.Tool]),
    "toolConfig": TypeAdapter(genai.ToolConfig),
    "generationConfig": TypeAdapter(genai.GenerationConfig),
    "safetySettings": TypeAdapter(list[genai.SafetySetting]),
}


def _gemini(document: JSONObject) -> Any:
    """The types of each member: the SDK builds the document from several arguments."""
    known = {key: _GEMINI[key].validate_json(json.dumps(value)) for key, value in document.items() if key in _GEMINI}
    return {
        key: _GEMINI[key].dump_python(value, mode="json", by_alias=True, exclude_unset=True) for key, value in known.items()
    }


def _ollama(document: JSONObject) -> Any:
    return ChatRequest.model_validate(document).model_dump(by_alias=True, exclude_unset=True)


_VALIDATED: dict[str, Callable[[JSONObject], Any]] = {
    **{name: _typed(name) for name in ("openai", "responses", "claude")},
    "gemini": _gemini,
    "ollama": _ollama,
}


def _lost(given: Any, kept: Any, path: str) -> list[str]:
    """The paths of what is in `given` only."""
    if isinstance(given, dict) and isinstance(kept, dict):
        missing = [f"{path}.{key}".lstrip(".") for key in given if key not in kept]
        return missing + [
            lost for key in given if key in kept for lost in _lost(given[key], kept[key], f"{path}.{key}".lstrip("."))
        ]
    if isinstance(given, list) and isinstance(kept, list):
        return [lost for one, other in zip(given, kept, strict=True) for lost in _lost(one, other, f"{path}.*".lstrip("."))]
    return []
