"""What reading and writing of this protocol share: its name, the counts, the ends, the errors, the response object.

Documentation: OpenAI API reference, "Responses" (The response object; Streaming events; Errors).
"""

from __future__ import annotations

from typing import Any

from ccproxy.errors import CcproxyError, UpstreamError
from ccproxy.model import JSON, Context, Extras, Finish, Usage
from ccproxy.protocols.failures import error_from_document

NAME = "responses"

ITEM = "$item"
"""Key of a text part's fields for the members of the message item that it begins."""

# ---------------------------------------------------------------------------------------------------------------------
# Usage ("The response object", usage): input counts the cached tokens in, output the reasoning ones.

_DETAILS = ("input_tokens_details", "output_tokens_details")
_COUNTS = frozenset({"input_tokens", "output_tokens", "total_tokens", *_DETAILS})
_INPUT_COUNTS = frozenset({"cached_tokens", "cache_write_tokens"})
_OUTPUT_COUNTS = frozenset({"reasoning_tokens"})


def read_usage(raw: JSON) -> Usage | None:
    """The counts of a response object, None when it has none. What is no count is taken for 0."""
    if not isinstance(raw, dict):
        return None
    into, out = (raw[key] if isinstance(raw.get(key), dict) else {} for key in _DETAILS)
    more = {key: value for key, value in raw.items() if key not in _COUNTS}
    for key, details, known in zip(_DETAILS, (into, out), (_INPUT_COUNTS, _OUTPUT_COUNTS), strict=True):
        if others := {name: value for name, value in details.items() if name not in known}:
            more[key] = others
    return Usage(
        input=_count(raw, "input_tokens"),
        output=_count(raw, "output_tokens"),
        cache_read=_count(into, "cached_tokens"),
        cache_write=_count(into, "cache_write_tokens"),
        reasoning=_count(out, "reasoning_tokens"),
        extras=Extras(NAME, more) if more else None,
    )


def write_usage(usage: Usage | None) -> dict[str, JSON] | None:
    if usage is None:
        return None
    more: dict[str, Any] = dict(own_fields(usage.extras))
    into, out = (more.pop(key, {}) for key in _DETAILS)
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cache_write_tokens": usage.cache_write, "cached_tokens": usage.cache_read, **into},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning, **out},
        "total_tokens": usage.input + usage.output,
        **more,
    }


def _count(counts: dict[str, JSON], key: str) -> int:
    value = counts.get(key)
    return max(0, int(value)) if isinstance(value, (int, float)) and abs(value) < 1 << 63 else 0


# ---------------------------------------------------------------------------------------------------------------------
# Ends

INCOMPLETE: dict[JSON, Finish] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
    "steered": "stop",
}
"""`incomplete_details.reason` -> why the answer ended; anything else counts as a cut."""

CUTS: dict[Finish, str] = {"length": "max_output_tokens", "content_filter": "content_filter", "refusal": "content_filter"}
"""The ends that are an incomplete response, with their reason. A refusal is one too: DESIGN 4."""

# ---------------------------------------------------------------------------------------------------------------------
# Errors ("Error codes"; "The response object", error)

_STATUSES: dict[str, int] = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "previous_response_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "usage_limit_reached": 429,
    "server_error": 500,
    "internal_server_error": 500,
    "server_is_overloaded": 503,
    "overloaded_error": 503,
    "slow_down": 503,
    "service_unavailable_error": 503,
    "vector_store_timeout": 504,
}
"""An error's code or type -> HTTP status, for errors that stand in a stream or in a response object."""

_TYPES: dict[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}

_KEPT_CODES = frozenset(_STATUSES) | {"data_residency_mismatch", "bio_policy", "misalignment_policy_violation"}
"""Codes that clients of this protocol act on, whoever said them."""


def write_error(error: CcproxyError) -> dict[str, JSON]:
    """The error document of an HTTP answer; an upstream's own one as it came."""
    raw = error.raw
    if (
        error.origin == NAME
        and isinstance(raw, dict)
        and isinstance(raw.get("error"), dict)
        and raw["error"].get("message")
    ):
        return raw
    kind = _TYPES.get(error.status) or ("invalid_request_error" if error.status < 500 else "server_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def response_error(error: CcproxyError) -> dict[str, JSON]:
    """The `error` member of a failed response. Its code is one that this protocol's clients know."""
    code = error.code or ""
    if error.origin != NAME and code not in _KEPT_CODES:
        code = ""
    by_status = "rate_limit_exceeded" if error.status == 429 else "invalid_prompt" if error.status < 500 else "server_error"
    return {"code": code or by_status, "message": error.message}


def read_error(raw: JSON) -> UpstreamError:
    """The error behind an `error` event (flat, as documented, or nested, as sent) or a failed response's `error`."""
    inner = raw.get("error", raw) if isinstance(raw, dict) else raw
    if isinstance(inner, dict):
        inner = {
            key: value for key, value in inner.items() if key != "sequence_number" and (key, value) != ("type", "error")
        }
    words = (inner.get("code"), inner.get("type")) if isinstance(inner, dict) else ()
    status = next((_STATUSES[word] for word in words if isinstance(word, str) and word in _STATUSES), 500)
    return error_from_document(NAME, status, {"error": inner or {"message": "the upstream's response failed"}})


# ---------------------------------------------------------------------------------------------------------------------
# The response object

ECHO: dict[str, JSON] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response object repeats of its request, and what it says where the request said nothing."""


def echo_of(document: dict[str, JSON]) -> dict[str, JSON]:
    """What the response to this request will repeat."""
    return {key: document[key] for key in ECHO if document.get(key) is not None}


def response_echo(context: Context) -> dict[str, JSON]:
    return ECHO | context.echo


def own_fields(extras: Extras | None) -> dict[str, JSON]:
    """The fields that this protocol said on an object, none where another protocol spoke."""
    return extras.fields if extras is not None and extras.origin == NAME else {}


def own_shape(extras: Extras | None) -> frozenset[str]:
    """The words of the object's spelling in this protocol."""
    return frozenset(extras.shape.split()) if extras is not None and extras.origin == NAME else frozenset()
