"""Tables of words: finish reasons, error statuses, token counts.

Gemini API reference, "FinishReason" and "UsageMetadata"; Google Cloud APIs, "Errors" (google.rpc.Code and HTTP).
"""

from __future__ import annotations

from typing import Any

from ccproxy.errors import CcproxyError, Malformed
from ccproxy.model import JSON, Extras, Finish, Usage
from ccproxy.protocols.gemini.wire import NAME, either

FINISHES: dict[str, Finish] = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "OTHER": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}

FAILURES = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)
"""The model stumbled; another try may do better. An answer that ends so would look like a short success to clients of
other protocols, so it is an error for them."""

REASONS: dict[Finish, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "pause": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "error": "OTHER",
}

_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    426: "UNIMPLEMENTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def error_status(error: JSON) -> int:
    """The HTTP status that an error object within an answer stands for; 502 when it says none."""
    if isinstance(error, dict):
        code = error.get("code")
        if isinstance(code, int) and 400 <= code <= 599:
            return code
        word = error.get("status")
        if isinstance(word, str):
            return _STATUSES.get(word, 502)
    return 502


def write_error(error: CcproxyError) -> dict[str, JSON]:
    """The error document of the protocol: the upstream's own where it was Gemini that spoke."""
    raw = error.raw
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    if error.origin == NAME and isinstance(raw, dict) and isinstance(raw.get("error"), dict):
        return {"error": raw["error"]}
    word = _WORDS.get(error.status) or ("INTERNAL" if error.status >= 500 else "FAILED_PRECONDITION")
    code = 503 if error.status == 529 else error.status  # as the HTTP status is, see Protocol.statuses
    body: dict[str, JSON] = {"code": code, "message": error.message, "status": word}
    if details := _details(error):
        body["details"] = details
    return {"error": body}


def _details(error: CcproxyError) -> list[JSON]:
    """google.rpc's ErrorInfo, BadRequest and RetryInfo, for what an error knows beyond its message."""
    details: list[JSON] = []
    if error.code:
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.code.upper(), "domain": "ccproxy"}
        details.append(reason)
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    if error.retry_after:
        delay = f"{error.retry_after:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return details


# ---------------------------------------------------------------------------------------------------------------------
# Token counts

_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
    "totalTokenCount",
)
_KNOWN = frozenset(_COUNTS)


def read_usage(raw: Any) -> Usage | None:
    """The counts of `usageMetadata`; None for a frame that counts nothing, which some chunks carry as a placeholder.
    Raises Malformed."""
    if type(raw) is not dict:
        raise Malformed("the usage metadata is no object")
    prompt, tools, candidates, thoughts, cached, total = (_count(raw, key) for key in _COUNTS)
    if not (prompt or tools or candidates or thoughts or total):
        return None
    usage = Usage(prompt + tools, candidates + thoughts, cached, 0, thoughts)
    others = {key: value for key, value in raw.items() if key not in _KNOWN and "_" not in key}
    if tools:
        others["toolUsePromptTokenCount"] = tools
    if others:
        usage.extras = Extras(NAME, others)
    return usage


def write_usage(usage: Usage) -> dict[str, JSON]:
    """`usageMetadata`: the prompt's count includes cached tokens, the candidates' excludes thoughts."""
    others = usage.extras.fields if usage.extras is not None and usage.extras.origin == NAME else {}
    reasoning = min(usage.reasoning, usage.output)
    document: dict[str, JSON] = {
        "promptTokenCount": max(0, usage.input - others.get("toolUsePromptTokenCount", 0)),
        "candidatesTokenCount": usage.output - reasoning,
        "totalTokenCount": usage.input + usage.output,
    }
    if reasoning:
        document["thoughtsTokenCount"] = reasoning
    if usage.cache_read:
        document["cachedContentTokenCount"] = usage.cache_read
    return document | others


def _count(raw: dict[str, JSON], key: str) -> int:
    value = either(raw, key)
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)  # ProtoJSON writes 64-bit integers as strings
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise Malformed(f"{key} is no number")
    return max(0, value)
