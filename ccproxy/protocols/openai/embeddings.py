"""Embeddings, both ways (OpenAI API reference, "Create embeddings").

A vector comes as a list of numbers, or as base64 of 32-bit floats when `encoding_format` says so, which OpenAI's SDK does
unless told otherwise. Compatible vendors leave out the index, the usage or parts of it.
"""

from __future__ import annotations

from ccproxy.errors import Malformed, RequestError
from ccproxy.model import JSON, Context, EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Extras, Target, Text, Usage
from ccproxy.protocols.base import Call, Embeddings
from ccproxy.protocols.openai.checks import a_list, a_name, an_integer, own
from ccproxy.protocols.openai.terms import NAME, count_of
from ccproxy.vectors import dimensions_of, note_unplaced, packed, read_vector, text_of, texts_of

PATH = "/embeddings"
BASE64 = "base64"
"""The context's shape for vectors in base64; "" is for lists of numbers."""

_SHAPES = {None: "", "float": "", BASE64: BASE64}

_TEXT = "text"
_TEXTS = "texts"
_TOKENS = "tokens"
_TOKEN_LISTS = "token lists"
"""Values of the request's `extras.shape`: how the input was spelled."""


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `Operation.peek`. What the encodings of other vendors mean, only their own clients need to know."""
    if not call.model:
        a_name(document.get("model"), "model")
    if not document.get("input"):
        raise RequestError("input is missing or empty", param="input")
    context.stream = False
    context.shape = BASE64 if document.get("encoding_format") == BASE64 else ""


def read_request(document: dict[str, JSON], context: Context, call: Call) -> EmbeddingRequest:
    """See `Operation.read_request`."""
    peek(document, context, call)
    rest = {key: value for key, value in document.items() if key not in ("input", "model", "dimensions")}
    encoding = rest.pop("encoding_format", None)
    if encoding not in (None, "float", BASE64):
        raise RequestError('encoding_format must be "float" or "base64"', param="encoding_format")
    dimensions = an_integer(document.get("dimensions"), "dimensions")
    inputs, shape = _inputs(document["input"], dimensions)
    model = document.get("model") or call.model
    return EmbeddingRequest(origin=NAME, model=a_name(model, "model"), inputs=inputs, extras=Extras(NAME, rest, shape))


def _inputs(said: JSON, dimensions: int | None) -> tuple[list[EmbeddingInput], str]:
    """The inputs, and how they were spelled: a text, texts, the ids of one text's tokens, or of several's."""
    if isinstance(said, str):
        return [EmbeddingInput(parts=[Text(said)], dimensions=dimensions)], _TEXT
    rows = a_list(said, "input")
    if _are_ids(rows):
        return [EmbeddingInput(tokens=rows, dimensions=dimensions)], _TOKENS
    inputs = [_input(row, f"input[{number}]", dimensions) for number, row in enumerate(rows)]
    return inputs, _TOKEN_LISTS if inputs[0].tokens is not None else _TEXTS


def _input(row: JSON, where: str, dimensions: int | None) -> EmbeddingInput:
    if isinstance(row, str):
        return EmbeddingInput(parts=[Text(row)], dimensions=dimensions)
    if isinstance(row, list) and _are_ids(row):
        return EmbeddingInput(tokens=row, dimensions=dimensions)
    raise RequestError(f"{where} must be a text or a list of token ids", param=where)


def _are_ids(rows: list[JSON]) -> bool:
    return bool(rows) and all(type(one) is int for one in rows)


def path(target: Target, stream: bool, shape: str = "") -> str:
    return PATH


def write_request(request: EmbeddingRequest, target: Target, context: Context) -> dict[str, JSON]:
    """See `Operation.write_request`. No encoding is asked for across protocols: numbers are every vendor's default."""
    document: dict[str, JSON] = {"model": request.model}
    extras = own(request.extras)
    if request.origin == NAME:
        document |= extras.fields | ({"encoding_format": BASE64} if context.shape == BASE64 else {})
        rows: list[JSON] = [text_of(one, "input", NAME) if one.tokens is None else one.tokens for one in request.inputs]
        document["input"] = rows[0] if extras.shape in (_TEXT, _TOKENS) else rows
    else:
        note_unplaced(request, NAME, context)
        document["input"] = texts_of(request, NAME)
    dimensions = dimensions_of(request, NAME)
    return document if dimensions is None else {**document, "dimensions": dimensions}


def read_answer(document: dict[str, JSON], context: Context) -> EmbeddingAnswer:
    """See `Embeddings.read_answer`. Rows are put in the order of their index, where they tell one."""
    rows = document.get("data")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Malformed("the upstream's answer has no embeddings")
    indexes = [row.get("index") for row in rows]
    if sorted(i for i in indexes if type(i) is int) == list(range(len(rows))):
        rows = sorted(rows, key=lambda row: row["index"])
    model = document.get("model")
    return EmbeddingAnswer(
        vectors=[read_vector(row.get("embedding")) for row in rows],
        model=model if isinstance(model, str) else "",
        usage=_usage(document.get("usage")),
    )


def _usage(said: JSON) -> Usage | None:
    """Voyage counts a total only."""
    counts = said if isinstance(said, dict) else {}
    tokens = count_of(counts.get("prompt_tokens")) or count_of(counts.get("total_tokens"))
    return Usage(input=tokens) if tokens else None


def write_answer(answer: EmbeddingAnswer, context: Context) -> dict[str, JSON]:
    """See `Embeddings.write_answer`."""
    encode = packed if context.shape == BASE64 else list
    tokens = answer.usage.input if answer.usage else 0
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": number, "embedding": encode(vector)}
            for number, vector in enumerate(answer.vectors)
        ],
        "model": context.model or answer.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


EMBEDDINGS = Embeddings(
    peek=peek,
    read_request=read_request,
    write_request=write_request,
    read_answer=read_answer,
    write_answer=write_answer,
    path=path,
    native_shapes=frozenset({"", BASE64}),
)
