"""Embeddings, both ways (Gemini API reference, "models.embedContent", "models.batchEmbedContents").

    :embedContent         {content, taskType, title, outputDimensionality}  -> {embedding: {values}}
    :batchEmbedContents   {requests: [the same, each with its model]}       -> {embeddings: [{values}]}

Every request names its model, so that none can be relayed under another name; they are read and written again.
"""

from __future__ import annotations

from ccproxy.errors import Malformed, RequestError, Unsupported
from ccproxy.model import JSON, Context, EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Extras, Target
from ccproxy.protocols.base import Call, Embeddings
from ccproxy.protocols.gemini.options import array, object_
from ccproxy.protocols.gemini.parts_out import PartWriter, own_extras
from ccproxy.protocols.gemini.requests_in import read_parts
from ccproxy.protocols.gemini.requests_out import action_path, resource
from ccproxy.protocols.gemini.terms import read_usage, write_usage
from ccproxy.protocols.gemini.wire import NAME, either, respell, spelled
from ccproxy.vectors import note_unplaced, read_vector

ONE = "embedContent"
BATCH = "batchEmbedContents"
"""The context's shapes: the actions of the paths."""

_SIZE = "outputDimensionality"
_NEWER = "embedContentConfig"
_KEYS = frozenset({"model", "content", "taskType", "title", _SIZE, _NEWER})


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `base.Operation`."""
    return action_path(target, shape or BATCH)


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `base.Operation`."""
    context.stream = False
    context.shape = call.shape or ONE
    needed = "content" if context.shape == ONE else "requests"
    if not document.get(needed):
        raise RequestError(f"{needed} is missing or empty", param=needed)


def read_request(document: dict[str, JSON], context: Context, call: Call) -> EmbeddingRequest:
    """See `base.Operation`."""
    peek(document, context, call)
    extras = Extras(NAME)
    if context.shape == ONE:
        inputs = [_read_input(document, "")]
    else:
        extras.fields = {key: value for key, value in document.items() if key != "requests"}
        rows = array(document["requests"], "requests")
        inputs = [_read_input(object_(row, f"requests[{n}]"), f"requests[{n}].") for n, row in enumerate(rows)]
    return EmbeddingRequest(origin=NAME, model=call.model.removeprefix("models/"), inputs=inputs, extras=extras)


def _read_input(raw: dict[str, JSON], where: str) -> EmbeddingInput:
    """One request. The size may stand in a configuration, as newer clients say it."""
    fields, shape = spelled(raw, _KEYS)
    content = fields.pop("content", None)
    parts = read_parts(content, f"{where}content")
    if not parts:
        raise RequestError(f"{where}content has no parts", param=f"{where}content.parts")
    fields["content"] = {key: value for key, value in content.items() if key != "parts"}
    config = fields.get(_NEWER)
    size = fields.get(_SIZE)
    if size is None and isinstance(config, dict):
        size = either(config, _SIZE)
    if size is not None and type(size) is not int:
        raise RequestError(f"{where}{_SIZE} must be an integer", param=f"{where}{_SIZE}")
    return EmbeddingInput(parts=parts, dimensions=size, extras=Extras(NAME, fields, shape))


def write_request(request: EmbeddingRequest, target: Target, context: Context) -> dict[str, JSON]:
    """See `base.Operation`."""
    own = own_extras(request.extras)
    if own is None:
        note_unplaced(request, NAME, context)
    writer = PartWriter(target, context, own=own is not None)
    rows = [_written(one, f"input[{number}]", target, writer) for number, one in enumerate(request.inputs)]
    if own is not None and context.shape == ONE:
        return rows[0]
    return {"requests": rows, **(own.fields if own else {})}


def _written(one: EmbeddingInput, where: str, target: Target, writer: PartWriter) -> dict[str, JSON]:
    if one.tokens is not None:
        raise Unsupported(where, NAME, "token ids mean nothing to another model; send the text")
    extras = own_extras(one.extras)
    parts = writer.parts(one.parts)
    if extras is None:
        row: dict[str, JSON] = {"model": resource(target.model), "content": {"parts": parts}}
        return row if one.dimensions is None else {**row, _SIZE: one.dimensions}
    fields = dict(extras.fields)
    if "model" in fields:
        fields["model"] = resource(target.model)
    return respell({**fields, "content": {**fields["content"], "parts": parts}}, extras.shape)


def read_answer(document: dict[str, JSON], context: Context) -> EmbeddingAnswer:
    """See `base.Embeddings`."""
    rows = [document["embedding"]] if "embedding" in document else document.get("embeddings")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Malformed("the upstream's answer has no embeddings")
    counts = either(document, "usageMetadata")
    beyond = {key: value for key, value in document.items() if key not in ("embedding", "embeddings")}
    return EmbeddingAnswer(
        vectors=[read_vector(row.get("values")) for row in rows],
        usage=read_usage(counts) if counts is not None else None,
        extras=Extras(NAME, beyond),
    )


def write_answer(answer: EmbeddingAnswer, context: Context) -> dict[str, JSON]:
    """See `base.Embeddings`. Counts that are only estimated are left out: the protocol does without."""
    own = own_extras(answer.extras)
    rows: list[JSON] = [{"values": vector} for vector in answer.vectors]
    document: dict[str, JSON] = {"embedding": rows[0]} if context.shape == ONE else {"embeddings": rows}
    if own is not None:
        return {**document, **own.fields}
    if answer.usage is None or answer.usage.estimated:
        return document
    counts = write_usage(answer.usage)
    return {**document, "usageMetadata": {key: counts[key] for key in ("promptTokenCount", "totalTokenCount")}}


EMBEDDINGS = Embeddings(
    peek=peek,
    read_request=read_request,
    write_request=write_request,
    read_answer=read_answer,
    write_answer=write_answer,
    path=path,
    native_shapes=frozenset(),
)
