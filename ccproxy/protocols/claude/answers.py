"""Whole documents that go down: answers, usage, errors, model lists (Anthropic API reference: "Create a Message", "Errors",
"List Models")."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from ccproxy.errors import CcproxyError, Malformed, UpstreamError
from ccproxy.media import stand_in
from ccproxy.model import (
    JSON,
    Answer,
    Audio,
    Citation,
    Context,
    Document,
    Extras,
    Finish,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
    arguments_object,
    parts_to_run,
    seal,
    unsigned,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.claude.blocks import Blocks
from ccproxy.protocols.claude.terms import NAME
from ccproxy.protocols.failures import error_from_document
from ccproxy.protocols.naming import fit, made_id
from ccproxy.stream import Sink

# ---------------------------------------------------------------------------------------------------------------------
# Why an answer ended ("Handling stop reasons")

_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
    "sensitive": "content_filter",
}
_STOP_REASON: dict[Finish, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "error": "end_turn",
}
_STRONGER_THAN_CALLS = frozenset({"length", "content_filter", "refusal", "error"})


def finish_of(stop_reason: JSON, called: bool) -> Finish:
    """The finish that `stop_reason` means. called: whether the client has a tool to run; only then it says tool calls."""
    reason: Finish = _FINISH.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"
    if called:
        return reason if reason in _STRONGER_THAN_CALLS else "tool_calls"
    return "stop" if reason == "tool_calls" else reason


def stop_reason_of(finish: Finish) -> str:
    """The `stop_reason` for a client."""
    return _STOP_REASON[finish]


# ---------------------------------------------------------------------------------------------------------------------
# Usage. Input is what stands in `input_tokens` plus what the cache served and stored ("Prompt caching", "Tracking cache
# performance"); all counts are running totals.

_COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "output_tokens_details",
)


def merge_usage(known: dict[str, JSON], said: JSON) -> bool:
    """Puts what an event says over what is known, and tells whether it said anything. A total never falls back to nothing,
    so a zero or null leaves an earlier value standing: some upstreams count in one of their two events only."""
    if not isinstance(said, dict):
        return False
    known.update((name, value) for name, value in said.items() if value or name not in known)
    return bool(said)


def counts_output(said: JSON) -> bool:
    """Whether a usage object of `message_delta` says how long the answer became."""
    return isinstance(said, dict) and bool(said.get("output_tokens"))


def read_usage(raw: dict[str, JSON]) -> Usage:
    """The counts of one (merged) usage object."""
    read, write = _count(raw.get("cache_read_input_tokens")), _count(raw.get("cache_creation_input_tokens"))
    details = raw.get("output_tokens_details")
    rest = {name: value for name, value in raw.items() if name not in _COUNTS}
    return Usage(
        input=_count(raw.get("input_tokens")) + read + write,
        output=_count(raw.get("output_tokens")),
        cache_read=read,
        cache_write=write,
        reasoning=_count(details.get("thinking_tokens")) if isinstance(details, dict) else 0,
        extras=Extras(NAME, rest) if rest else None,
    )


def write_usage(usage: Usage | None, context: Context) -> dict[str, JSON]:
    """Usage for a client; the context's estimate of the input where nothing is known yet."""
    counts = usage or Usage(input=context.input_estimate)
    written: dict[str, JSON] = {
        "input_tokens": max(0, counts.input - counts.cache_read - counts.cache_write),
        "cache_creation_input_tokens": counts.cache_write,
        "cache_read_input_tokens": counts.cache_read,
        "output_tokens": counts.output,
    }
    if counts.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": min(counts.reasoning, counts.output)}
    if counts.extras is not None and counts.extras.origin == NAME:
        written |= counts.extras.fields
    return written


def _count(value: JSON) -> int:
    return max(0, value) if isinstance(value, int) else 0


# ---------------------------------------------------------------------------------------------------------------------
# Answers


def read_answer(document: dict[str, JSON], context: Context, sink: Sink) -> None:
    """A message as Sink calls. An error document that came with a good status becomes `error`. Raises Malformed."""
    if document.get("type") == "error":
        sink.error(read_stream_error(document))
        return
    content = document.get("content")
    if not isinstance(content, list):
        raise Malformed("the upstream's message has no content list")
    sink.start(text_of(document.get("id")), text_of(document.get("model")), 0)
    blocks = Blocks(context, sink)
    for index, block in enumerate(content):
        blocks.begin(index, block)
        blocks.end(index)
    usage: dict[str, JSON] = {}
    if merge_usage(usage, document.get("usage")):
        sink.usage(read_usage(usage))
    sink.finish(finish_of(document.get("stop_reason"), blocks.calls > 0), document.get("stop_sequence") or None)


def text_of(value: JSON) -> str:
    """A string, or "" for anything else: for what is nice to have."""
    return value if isinstance(value, str) else ""


def write_answer(answer: Answer, context: Context) -> dict[str, JSON]:
    """The message for a client. One that holds thoughts only gets an empty text block, which clients wait for."""
    content = [block for part in parts_to_run(answer) for block in _BLOCKS[type(part)](part, context)]
    if content and all(block["type"] in ("thinking", "redacted_thinking") for block in content):
        content.append({"type": "text", "text": ""})
    return {
        "id": answer_id(answer.id, context),
        "type": "message",
        "role": "assistant",
        "model": context.model or answer.model,
        "content": content,
        "stop_reason": stop_reason_of(answer.finish),
        "stop_sequence": answer.stop_sequence,
        "usage": write_usage(answer.usage, context),
    }


def answer_id(id: str, context: Context) -> str:
    """The answer's id for a client: the upstream's where it is one of this protocol's own."""
    return id if id and context.upstream == NAME else made_id(context, "msg_")


_ILLEGAL_ID = re.compile(r"[^a-zA-Z0-9_-]")


def tool_id(id: str) -> str:
    """A call's id as the API takes it back: `^[a-zA-Z0-9_-]+$`."""
    return fit(id, _ILLEGAL_ID, 64)


def write_citation(citation: Citation) -> dict[str, JSON] | None:
    """A citation for a client; a foreign one as a web search result's, None when it names no URL. `encrypted_index` is
    demanded there, and empty marks ours (see requests_out)."""
    if citation.origin == NAME:
        return citation.raw if isinstance(citation.raw, dict) else None
    if not citation.url:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.cited,
        "encrypted_index": "",
    }


def thought_signature(signature: str, origin: str, context: Context) -> str:
    """A thought's signature for a client. Another maker's is sealed, and a foreign thought without any is marked, since
    the API would refuse both when they came back to it."""
    if signature:
        return seal(signature, origin, NAME)
    maker = origin or context.upstream
    return unsigned(maker) if maker and maker != NAME else ""


def _text_block(part: Text, context: Context) -> list[dict[str, JSON]]:
    citations = [found for found in map(write_citation, part.citations) if found]
    if not part.text and not citations:
        return []
    return [{"type": "text", "text": part.text} | ({"citations": citations} if citations else {})]


def _refusal_block(part: Refusal, context: Context) -> list[dict[str, JSON]]:
    return [{"type": "text", "text": part.text}] if part.text else []


def _thinking_block(part: Reasoning, context: Context) -> list[dict[str, JSON]]:
    if part.redacted:
        return [{"type": "redacted_thinking", "data": seal(part.redacted, part.origin, NAME)}]
    signature = thought_signature(part.signature, part.origin, context)
    return [{"type": "thinking", "thinking": part.text, "signature": signature}]


def _tool_block(part: ToolCall, context: Context) -> list[dict[str, JSON]]:
    return [{"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": arguments_object(part)}]


def _media_block(part: Any, context: Context) -> list[dict[str, JSON]]:
    return [{"type": "text", "text": stand_in(part, NAME).text}]


def _opaque_block(part: Opaque, context: Context) -> list[dict[str, JSON]]:
    return [part.raw] if part.origin == NAME and isinstance(part.raw, dict) else []


_BLOCKS: dict[type[Part], Callable[[Any, Context], list[dict[str, JSON]]]] = {
    Text: _text_block,
    Refusal: _refusal_block,
    Reasoning: _thinking_block,
    ToolCall: _tool_block,
    Image: _media_block,
    Document: _media_block,
    Audio: _media_block,
    Opaque: _opaque_block,
}


# ---------------------------------------------------------------------------------------------------------------------
# Errors ("Errors", "HTTP errors" and "Error shapes")

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ERROR_STATUSES = {name: status for status, name in _ERROR_TYPES.items()}


def error_type(status: int) -> str:
    """The error type for an HTTP status."""
    return _ERROR_TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def write_error(error: CcproxyError) -> dict[str, JSON]:
    """The error document, also the payload of a stream's `error` event. The upstream's own where it is one."""
    raw = error.raw
    if error.origin == NAME and isinstance(raw, dict) and raw.get("type") == "error" and isinstance(raw.get("error"), dict):
        return raw
    document: dict[str, JSON] = {"type": "error", "error": {"type": error_type(error.status), "message": error.message}}
    request_id = dict(error.headers).get("request-id")
    return document | {"request_id": request_id} if request_id else document


def read_stream_error(event: dict[str, JSON]) -> UpstreamError:
    """The error that came within a stream, or with a good status, with the status that its type stands for."""
    inner = event.get("error")
    kind = inner.get("type") if isinstance(inner, dict) else None
    status = _ERROR_STATUSES.get(kind, 502) if isinstance(kind, str) else 502
    return error_from_document(NAME, status, event)


# ---------------------------------------------------------------------------------------------------------------------
# Model lists ("List Models")

_ABILITIES = {"image_input": "vision", "thinking": "thinking", "pdf_input": "pdf", "structured_outputs": "json_schema"}


def read_models(document: dict[str, JSON]) -> list[ModelInfo]:
    """The rows of an upstream's list. Raises Malformed when it is no list."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise Malformed("the upstream's model list has no data list")
    return [_read_model(row) for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]


def write_models(models: Sequence[ModelInfo]) -> dict[str, JSON]:
    """The list for a client, all of it on one page."""
    return {
        "data": [write_model(model) for model in models],
        "has_more": False,
        "first_id": models[0].id if models else None,
        "last_id": models[-1].id if models else None,
    }


def write_model(model: ModelInfo) -> dict[str, JSON]:
    """One row. An unknown date is the epoch, as the API itself has it."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.title or model.id,
        "created_at": datetime.fromtimestamp(max(0, model.created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": model.context or None,
        "max_tokens": model.output or None,
    }


def _read_model(row: dict[str, JSON]) -> ModelInfo:
    abilities = row.get("capabilities")
    told = abilities if isinstance(abilities, dict) else {}
    known = {ours for theirs, ours in _ABILITIES.items() if _supported(told.get(theirs))}
    return ModelInfo(
        id=row["id"],
        title=text_of(row.get("display_name")),
        created=_seconds(row.get("created_at")),
        context=_count(row.get("max_input_tokens")),
        output=_count(row.get("max_tokens")),
        abilities=frozenset(known | {"tools"}) if told else frozenset(),
    )


def _supported(capability: JSON) -> bool:
    return isinstance(capability, dict) and capability.get("supported") is True


def _seconds(moment: JSON) -> int:
    try:
        return max(0, int(datetime.fromisoformat(moment).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return 0
