"""Whole documents that go to clients or come from upstreams: answers, model lists. Errors: `terms.write_error`.

An answer is read as the stream that says everything in its last event, and written as an Encoder's last event says it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ccproxy.errors import Malformed
from ccproxy.model import (
    JSON,
    Answer,
    Audio,
    Context,
    Document,
    Image,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    arguments_text,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.responses.encoder import Encoder
from ccproxy.protocols.responses.stream import Decoder
from ccproxy.stream import Sink


def read_answer(document: dict[str, JSON], context: Context, sink: Sink) -> None:
    """A response object as Sink calls. Raises Malformed for what is none."""
    if not isinstance(document, dict):
        raise Malformed("the upstream's answer is no object")
    if "output" not in document and document.get("object") != "response":
        if not document.get("error"):
            raise Malformed("the upstream's answer is no response object")
        document = {"status": "failed", **document}
    Decoder(context, sink).whole(document)


def write_answer(answer: Answer, context: Context) -> dict[str, JSON]:
    """The response object for a client."""
    encoder = Encoder(context)
    encoder.start(answer.id, answer.model, answer.created)
    for key, part in enumerate(answer.parts):
        _SAY[type(part)](part, key, encoder)
    if answer.usage is not None:
        encoder.usage(answer.usage)
    encoder.finish(answer.finish, answer.stop_sequence)
    return encoder.document


def _say_text(part: Text, key: int, sink: Sink) -> None:
    if part.text:
        sink.text(part.text)
    for citation in part.citations:
        sink.citation(citation)


def _say_refusal(part: Refusal, key: int, sink: Sink) -> None:
    sink.refusal(part.text)


def _say_reasoning(part: Reasoning, key: int, sink: Sink) -> None:
    if part.redacted:
        return sink.redacted(part.redacted, part.origin)
    if part.text:
        sink.thinking(part.text)
    if part.signature:
        sink.signature(part.signature, part.origin)
    return None


def _say_call(part: ToolCall, key: int, sink: Sink) -> None:
    sink.tool_start(key, part.id, part.name, part.kind)
    sink.tool_arguments(key, arguments_text(part))
    sink.tool_end(key)


def _say_media(part: Image | Document | Audio, key: int, sink: Sink) -> None:
    sink.media(part)


def _say_opaque(part: Opaque, key: int, sink: Sink) -> None:
    sink.opaque(part.origin, part.raw)


_SAY: dict[type, Callable[[Any, int, Sink], None]] = {
    Text: _say_text,
    Refusal: _say_refusal,
    Reasoning: _say_reasoning,
    ToolCall: _say_call,
    Image: _say_media,
    Document: _say_media,
    Audio: _say_media,
    Opaque: _say_opaque,
}


# ---------------------------------------------------------------------------------------------------------------------
# Model lists ("Models", list and object)


def read_models(document: dict[str, JSON]) -> list[ModelInfo]:
    """The models of an upstream. Raises Malformed when the document is no list."""
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise Malformed("the upstream's model list is no list")
    return [_model(row) for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]


def _model(row: dict[str, JSON]) -> ModelInfo:
    created, owner = row.get("created"), row.get("owned_by")
    return ModelInfo(
        id=row["id"],
        created=created if isinstance(created, int) else 0,
        owner=owner if isinstance(owner, str) else "",
    )


def write_models(models: Sequence[ModelInfo]) -> dict[str, JSON]:
    return {"object": "list", "data": [write_model(model) for model in models]}


def write_model(model: ModelInfo) -> dict[str, JSON]:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner or "ccproxy"}
