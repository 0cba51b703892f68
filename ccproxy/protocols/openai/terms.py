"""The protocol's words, both ways: why an answer ended, what it cost, what went wrong.

OpenAI API reference, "Chat Completions" (finish_reason, usage) and guide "Error codes"; compatible vendors add words of
their own, which are read here and never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from ccproxy.codec import jsontext
from ccproxy.errors import CcproxyError, UpstreamError
from ccproxy.model import JSON, Extras, Finish, Usage
from ccproxy.protocols.failures import error_from_document

NAME = "openai"

EXTRA = "extra_content"
"""Where Google's OpenAI-compatible API puts a call's thought signature ("Thought signatures", section "OpenAI"), and where
ours go: a member of a tool call that clients send back with it."""

HOTTEST = 2.0
"""The greatest temperature (API reference, `temperature`)."""

DETAILS = "reasoning_details"
"""Where OpenRouter and others put signed and encrypted thoughts ("Reasoning tokens", "Preserving reasoning blocks")."""


def own_proof(signature: str) -> dict[str, JSON] | None:
    """What this protocol's signatures are made of: an entry of reasoning_details without its words, or `{EXTRA: ...}`. None
    for any other text."""
    try:
        proof = jsontext.loads(signature) if signature.startswith("{") else None
    except jsontext.JSONError:
        return None
    return proof if isinstance(proof, dict) else None


# ---------------------------------------------------------------------------------------------------------------------
# Finish

_FINISH_IN: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "end_turn": "stop",  # gateways to Claude
    "stop_sequence": "stop_sequence",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
    "error": "error",  # OpenRouter
    "abort": "error",  # vLLM, SGLang
    "insufficient_system_resource": "error",  # DeepSeek
}

FINISH_OUT: dict[Finish, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "error": "stop",
}

_FINAL: frozenset[Finish] = frozenset({"length", "content_filter", "refusal", "error"})
"""Reasons that stand even when calls were seen."""


def finish_in(word: str, *, called: bool, refused: bool, stopped_at: str | None) -> tuple[Finish, str | None]:
    """(reason, stop sequence) of an answer. word: the upstream's, empty when it gave none. called, refused: whether tool
    calls or words of refusal were seen. stopped_at: the stop sequence, where the vendor names it."""
    reason = _FINISH_IN.get(word.lower(), "stop")
    if reason in _FINAL:
        return reason, None
    if called:
        return "tool_calls", None
    if refused:
        return "refusal", None
    if stopped_at is not None and stopped_at.lower() not in _FINISH_IN:
        return "stop_sequence", stopped_at
    return ("stop", None) if reason == "tool_calls" else (reason, None)


# ---------------------------------------------------------------------------------------------------------------------
# Usage

_MAIN_COUNTS = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_CACHE_READ = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens", "cache_read_input_tokens")
"""Where DeepSeek, Moonshot, Mistral and gateways to Claude say what OpenAI says in prompt_tokens_details."""


def has_counts(usage: JSON) -> TypeGuard[dict[str, JSON]]:
    """Whether this is a usage object that says something: many vendors send null or zeros until the end."""
    return isinstance(usage, dict) and bool(
        count_of(usage.get("prompt_tokens")) or count_of(usage.get("completion_tokens"))
    )


def counts_of(document: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """A chunk's or an answer's usage object, if it has one that says something; Groq puts it into `x_groq`."""
    usage = document.get("usage")
    if not usage and "x_groq" in document:
        usage = _object(document["x_groq"]).get("usage")
    return usage if usage and has_counts(usage) else None


def usage_in(usage: Mapping[str, JSON]) -> Usage:
    """OpenAI counts cached tokens in prompt_tokens and reasoning in completion_tokens; some vendors do not, so that the
    parts are clamped to their whole."""
    read, reasoned = _object(usage.get("prompt_tokens_details")), _object(usage.get("completion_tokens_details"))
    total_in, total_out = count_of(usage.get("prompt_tokens")), count_of(usage.get("completion_tokens"))
    cache_read = _first(count_of(read.get("cached_tokens")), *(count_of(usage.get(key)) for key in _CACHE_READ))
    cache_write = _first(count_of(read.get("cache_write_tokens")), count_of(usage.get("cache_creation_input_tokens")))
    reasoning = _first(count_of(reasoned.get("reasoning_tokens")), count_of(usage.get("reasoning_tokens")))
    cache_read = min(cache_read, total_in)
    return Usage(
        input=total_in,
        output=total_out,
        cache_read=cache_read,
        cache_write=min(cache_write, total_in - cache_read),
        reasoning=min(reasoning, total_out),
        extras=Extras(NAME, {key: value for key, value in usage.items() if key not in _MAIN_COUNTS}),
    )


def usage_out(usage: Usage) -> dict[str, JSON]:
    """The usage object, with the provider's other counts where they were read from this protocol."""
    document: dict[str, JSON] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    if usage.cache_write:
        document["prompt_tokens_details"]["cache_write_tokens"] = usage.cache_write
    if usage.extras is not None and usage.extras.origin == NAME:
        document |= usage.extras.fields
    return document


def count_of(value: JSON) -> int:
    """A count as upstreams send it: null, missing, negative or absurd is 0."""
    if isinstance(value, float):
        value = int(value) if 0 < value < 1e18 else 0  # false for NaN
    return max(0, value) if isinstance(value, int) else 0


def _first(*counts: int) -> int:
    return next((count for count in counts if count), 0)


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


# ---------------------------------------------------------------------------------------------------------------------
# Errors

_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
    504: "timeout_error",
    529: "service_unavailable_error",
}

_STATUSES: dict[str, int] = {type: status for status, type in reversed(_TYPES.items())} | {
    "invalid_api_key": 401,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "tool_use_failed": 400,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "server_error": 500,
    "api_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "overloaded_error": 503,
    "server_is_overloaded": 503,
}
"""Statuses of errors that come within a stream, by their `code` or `type`."""


def write_error(error: CcproxyError) -> dict[str, JSON]:
    """The error document, `{"error": {"message", "type", "param", "code"}}`. An upstream's own is replayed."""
    raw = error.raw
    if error.origin == NAME and isinstance(raw, dict) and isinstance(raw.get("error"), dict):
        return {"error": raw["error"]} if "choices" in raw else raw
    fallback = "server_error" if error.status >= 500 else "invalid_request_error"
    type = _TYPES.get(error.status, fallback)
    return {"error": {"message": error.message, "type": type, "param": error.param, "code": error.code}}


def is_error(document: Mapping[str, JSON]) -> bool:
    """Whether a document that should be an answer is an error: OpenRouter's and Groq's `error` member, vLLM's
    `"object": "error"`, or a lone message."""
    if document.get("error") or document.get("object") == "error":
        return True
    return "choices" not in document and "usage" not in document and ("message" in document or "detail" in document)


def error_in(document: Mapping[str, JSON]) -> UpstreamError:
    """The error that an upstream reports within an answer whose HTTP status says success."""
    inner = document.get("error")
    inner = inner if isinstance(inner, dict) else document
    return error_from_document(NAME, _status_of(inner), dict(document))


def _status_of(error: Mapping[str, JSON]) -> int:
    for key in ("status_code", "status", "code"):
        value = error.get(key)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    words = (error.get(key) for key in ("code", "type"))
    return next((_STATUSES[word] for word in words if isinstance(word, str) and word in _STATUSES), 502)
