"""What several protocols need for embeddings: vectors as base64, and what of a request one without a place for it is told.

In base64 a vector is its numbers as 32-bit floats, little-endian, one behind the other (OpenAI API reference, "Create
embeddings", `encoding_format`; its SDK asks for that by default).
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence

from ccproxy.errors import Malformed, Unsupported
from ccproxy.model import JSON, Context, EmbeddingInput, EmbeddingRequest, Part, Text

LARGEST = 1e12
"""No model's vectors come near it; bytes of another encoding (int8, bits) that are read as floats nearly always do."""


def packed(vector: Sequence[float]) -> str:
    """The vector as base64. Raises Malformed for a number that is no 32-bit float."""
    try:
        raw = struct.pack(f"<{len(vector)}f", *vector)
    except (OverflowError, struct.error):
        raise Malformed("the upstream's vector has a number that no 32-bit float holds") from None
    if not all(map(math.isfinite, vector)):
        raise Malformed("the upstream's vector has a number that no 32-bit float holds")
    return base64.b64encode(raw).decode()


def unpacked(text: str) -> list[float]:
    """The vector that base64 text holds. Raises Malformed."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the upstream's vector is no base64") from None
    if not raw or len(raw) % 4:
        raise Malformed("the upstream's vector is not made of 32-bit floats")
    numbers = struct.unpack(f"<{len(raw) // 4}f", raw)
    if not all(abs(number) < LARGEST for number in numbers):  # NaN is not, either
        raise Malformed("the upstream's vector is not made of 32-bit floats")
    return list(numbers)


def read_vector(value: JSON) -> list[float]:
    """A vector as upstreams send it: a list of numbers or base64. Raises Malformed."""
    if isinstance(value, str):
        return unpacked(value)
    if not isinstance(value, list) or not value:
        raise Malformed("the upstream's answer has a vector that is none")
    if not {type(number) for number in value} <= {float, int}:
        raise Malformed("the upstream's vector has something that is no number")
    return value


def read_vectors(values: JSON) -> list[list[float]]:
    """A list of vectors. Raises Malformed."""
    if not isinstance(values, list):
        raise Malformed("the upstream's answer has no vectors")
    return [read_vector(value) for value in values]


def texts_of(request: EmbeddingRequest, target: str) -> list[str]:
    """The inputs, for a protocol that embeds texts only. Raises Unsupported."""
    return [text_of(one, f"input[{number}]", target) for number, one in enumerate(request.inputs)]


def text_of(one: EmbeddingInput, where: str, target: str) -> str:
    """The same for one input; `where` is its place in the client's request."""
    if one.tokens is not None:
        raise Unsupported(where, target, "token ids mean nothing to another model; send the text")
    return "\n".join(_words(part, where, target) for part in one.parts)


def _words(part: Part, where: str, target: str) -> str:
    if isinstance(part, Text):
        return part.text
    raise Unsupported(where, target, f"a {type(part).__name__.lower()} cannot be embedded there")


def dimensions_of(request: EmbeddingRequest, target: str) -> int | None:
    """The vectors' size, for a protocol that says it once. Raises Unsupported where the inputs ask for several."""
    sizes = {one.dimensions for one in request.inputs}
    if len(sizes) > 1:
        raise Unsupported("dimensions", target, "all vectors of one request have the same size")
    return next(iter(sizes), None)


def note_unplaced(request: EmbeddingRequest, target: str, context: Context) -> None:
    """Notes what the client's protocol said beyond the model, which `target` has no place for."""
    extras = [request.extras, *(one.extras for one in request.inputs)]
    said = [one.fields for one in extras if one is not None and one.origin != target]
    for key in sorted({key for fields in said for key, value in fields.items() if value}):
        context.note(f"{key} has no place in the {target} protocol's embeddings and was left out")
