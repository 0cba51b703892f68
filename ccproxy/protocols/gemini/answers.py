"""Whole answers, errors and model lists.

Gemini API reference, "GenerateContentResponse" and "Models".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ccproxy.errors import Malformed
from ccproxy.media import data_url, stand_in
from ccproxy.model import (
    JSON,
    Answer,
    Citation,
    Context,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    arguments_object,
    parts_to_run,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.gemini.chunks import ChunkReader
from ccproxy.protocols.gemini.grounding import are_facts, facts_of, grounding_from
from ccproxy.protocols.gemini.terms import REASONS, write_usage
from ccproxy.protocols.gemini.wire import NAME, wire_redacted, wire_signature
from ccproxy.protocols.naming import made_id
from ccproxy.stream import Sink


def read_answer(document: dict[str, JSON], context: Context, sink: Sink) -> None:
    """A whole answer as Sink calls. Raises Malformed for what is no answer of this protocol."""
    reader = ChunkReader(context, sink)
    answered = any(document.get(key) for key in ("candidates", "promptFeedback", "prompt_feedback", "error"))
    if not answered:
        raise Malformed("the upstream's answer has no candidates")
    reader.take(document)
    reader.end()


def write_answer(answer: Answer, context: Context) -> dict[str, JSON]:
    """The whole answer for a Gemini client."""
    candidate: dict[str, JSON] = {
        "content": {"parts": wire_parts(parts_to_run(answer)) or [{"text": ""}], "role": "model"},
        "finishReason": REASONS[answer.finish],
        "index": 0,
        **facts_of(answer.parts),
    }
    cited = [one for part in answer.parts if isinstance(part, Text) for one in part.citations if one.origin != NAME]
    if grounding := grounding_from(cited):
        candidate["groundingMetadata"] = grounding
    document: dict[str, JSON] = {"candidates": [candidate]}
    if answer.usage is not None:
        document["usageMetadata"] = write_usage(answer.usage)
    document["modelVersion"] = context.model or answer.model
    document["responseId"] = answer.id or made_id(context, "")
    return document


# ---------------------------------------------------------------------------------------------------------------------
# The parts of an answer


def wire_parts(parts: list[Part]) -> list[dict[str, JSON]]:
    """An answer's parts as the wire's. A signature stands on the part after its thought; the last one on an empty text,
    as Gemini itself does it."""
    written: list[dict[str, JSON]] = []
    pending = ""
    for part in parts:
        if isinstance(part, Reasoning):
            if part.text:
                written.append({"text": part.text, "thought": True})
            signature = wire_redacted(part.redacted, part.origin) if part.redacted else _signature(part)
            if signature and pending:
                written.append(_signed({"text": ""}, pending))
            pending = signature or pending
        elif made := _PART_WRITERS.get(type(part), media_part)(part):
            written.append(_signed(made, pending))
            pending = ""
    if pending:
        written.append(_signed({"text": ""}, pending))
    return written


def media_part(part: Any) -> dict[str, JSON]:
    """Media that the model made, or the text that stands in for what has no place."""
    media: Media = part
    if media.data is not None:
        mime = media.mime or data_url(media)[5:].partition(";")[0]
        return {"inlineData": {"mimeType": mime, "data": media.data}}
    if media.url is not None:
        return {"fileData": {"fileUri": media.url, "mimeType": media.mime} if media.mime else {"fileUri": media.url}}
    return {"text": media.text or stand_in(media, NAME).text}


def _signature(part: Reasoning) -> str:
    return wire_signature(part.signature, part.origin, part.text)


def _signed(part: dict[str, JSON], signature: str) -> dict[str, JSON]:
    return {**part, "thoughtSignature": signature} if signature else part


def _call_part(part: Any) -> dict[str, JSON]:
    call: ToolCall = part
    return {"functionCall": {"name": call.name, "args": arguments_object(call), "id": call.id}}


def _opaque_part(part: Any) -> dict[str, JSON]:
    own = part.origin == NAME and isinstance(part.raw, dict) and not are_facts(part.raw)
    return dict(part.raw) if own else {}


_PART_WRITERS: dict[type[Part], Callable[[Any], dict[str, JSON]]] = {
    Text: lambda part: {"text": part.text} if part.text else {},
    Refusal: lambda part: {"text": part.text} if part.text else {},
    ToolCall: _call_part,
    Opaque: _opaque_part,
}


def foreign(citations: list[Citation]) -> list[Citation]:
    """The citations that no grounding metadata of Gemini's own stands for."""
    return [citation for citation in citations if citation.origin != NAME]


# ---------------------------------------------------------------------------------------------------------------------
# Model lists

EMBEDS = "embedding"
"""The config's word for a model that embeds and does nothing else."""

_CHAT_METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBEDDING_METHODS = ["embedContent", "batchEmbedContents"]


def read_models(document: dict[str, JSON]) -> list[ModelInfo]:
    """An upstream's list ("models.list"). Raises Malformed when there is none."""
    rows = document.get("models") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise Malformed("the upstream's model list has no models")
    return [_model_info(row) for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)]


def write_models(models: Sequence[ModelInfo]) -> dict[str, JSON]:
    return {"models": [write_model(model) for model in models]}


def write_model(model: ModelInfo) -> dict[str, JSON]:
    """One model. Gemini's clients look at the limits and at the methods."""
    row: dict[str, JSON] = {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.title or model.id,
        "supportedGenerationMethods": _EMBEDDING_METHODS if EMBEDS in model.abilities else _CHAT_METHODS,
    }
    if model.context:
        row["inputTokenLimit"] = model.context
    if model.output:
        row["outputTokenLimit"] = model.output
    if "thinking" in model.abilities:
        row["thinking"] = True
    return row


def _model_info(row: dict[str, JSON]) -> ModelInfo:
    methods = row.get("supportedGenerationMethods")
    abilities = {"thinking"} if row.get("thinking") is True else set()
    if isinstance(methods, list) and "embedContent" in methods and _CHAT_METHODS[0] not in methods:
        abilities.add(EMBEDS)
    title = row.get("displayName")
    return ModelInfo(
        id=row["name"].removeprefix("models/"),
        owner="google",
        title=title if isinstance(title, str) else "",
        context=_limit(row, "inputTokenLimit"),
        output=_limit(row, "outputTokenLimit"),
        abilities=frozenset(abilities),
    )


def _limit(row: dict[str, JSON], key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) and value > 0 else 0
