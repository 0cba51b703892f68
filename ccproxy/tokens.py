"""How many tokens a request has, estimated without a tokenizer.

Every model cuts text its own way; what all have in common is that words, digits, marks and non-ASCII bytes cost about so
much each. So a text is counted by classes of bytes, each with its weight, and everything around the texts (messages, tools,
images) has a fixed cost. The sum is scaled up a little: a client that stops too early loses less than one that runs into
the model's limit. Pure, the same for the same request, and linear with a small factor: seven quick passes over the text.

How far off it is, as estimated / counted. Texts against Qwen's vocabulary, which is GPT-4's with more of Chinese: English
prose 1.10 (median; eight in ten from 1.0 to 1.2), Python 1.16, JSON 1.20, German 0.94, Chinese 1.36, Russian 1.8.
Requests that were recorded with the provider's count (`tests/test_tokens.py`, which fails when this gets worse):

    group                      cases   median   within a factor of two
    text                          41     1.22   76 %    the others are of a dozen tokens, where a marker more is a lot
    text, Claude's models         14     1.05   71 %
    tools                         30     1.58   70 %    OpenAI and Gemini rewrite schemas into something shorter
    tools, Claude's models        15     0.25    0 %    short requests, of which Claude's 350 to 500 tokens of
                                                        instructions are the most; in a session they are lost in the sum
    images, PDFs, sound           16     2.64   31 %    tiny test images, priced as the smallest that a provider has
"""

from __future__ import annotations

import base64
import binascii
import copy
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from ccproxy.codec import jsontext
from ccproxy.model import (
    JSON,
    Audio,
    Context,
    Document,
    EmbeddingRequest,
    Image,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    arguments_text,
)

SCALE = 1.15
"""The weights below are those of OpenAI's and Qwen's vocabularies; Claude's and Gemini's cut finer."""

_CLASSES: tuple[tuple[bytes, float], ...] = (
    (bytes(range(0x61, 0x7B)), 0.14),  # a to z
    (bytes(range(0x41, 0x5B)), 0.4),  # A to Z, where words begin within names
    (b"0123456789", 0.6),  # one to three a token
    (b" \t\r\n", 0.6),
    (bytes(range(0x80, 0x100)), 0.22),  # a Chinese character has three and costs half a token or a whole one
)
"""(bytes, the tokens for each of them)."""

_MARK = 0.5
"""For what is left of ASCII: JSON's marks come in pairs, prose's alone."""

_TWO_SPACES = -1.0
"""For each two spaces side by side: an indentation is one token."""

PER_REQUEST = 3
PER_MESSAGE = 4
"""The marks around a message: its role, where it begins and ends."""

PER_TOOL = 8
"""The words around a function's definition."""

WITH_TOOLS = 30
"""The instructions that a model gets once there are tools. Claude's are longer (346 tokens; "Tool use", "Pricing"), but a
Claude upstream counts for itself."""

LEAST_IMAGE, MOST_IMAGE, PIXELS = 258, 1_600, 750
"""An image costs width x height / 750, 1,600 at most at Claude ("Vision"); 258 and more at Gemini ("Image understanding");
85 to 1,445 at OpenAI. One whose size is not known is taken for a screenshot, which costs the most."""

PER_PAGE = 2_000
"""Of a PDF: its text, 1,500 to 3,000 tokens, and its image (Claude, "PDF support"); Gemini takes 258."""

BYTES_PER_MEDIA_TOKEN = 400
"""Of audio and video: 32 tokens a second at Gemini ("Understand and count tokens"), of sound with 100 kbit/s."""

BYTES_PER_TOKEN = 4
"""Of an answer's words, in UTF-8 ("Understand and count tokens" at Gemini, "What are tokens" at OpenAI: about four
characters). Recorded answers that hid no thought have 4.0 to 4.8; what others hid cannot be known."""

_PAGE = re.compile(rb"/Type\s*/Page\b")


def of_text(text: str) -> float:
    """The tokens of one text, not rounded and not scaled."""
    raw = text.encode("utf-8", "surrogatepass")
    marks, total = len(raw), raw.count(b"  ") * _TWO_SPACES
    for kind, weight in _CLASSES:
        count = len(raw) - len(raw.translate(None, kind))
        marks -= count
        total += count * weight
    return max(0.0, total + marks * _MARK)


def of_request(request: Request) -> int:
    """The tokens of a chat request: system, tools, messages and what is in them."""
    total = PER_REQUEST + _of_parts(request.system)
    total += sum(_of_message(message) for message in request.messages)
    if request.tools:
        total += WITH_TOOLS + sum(_of_tool(tool) for tool in request.tools)
    if request.format is not None and request.format.schema:
        total += _of_json(request.format.schema)
    return math.ceil(total * SCALE)


def of_embedding(request: EmbeddingRequest) -> int:
    """The tokens of everything that is to be embedded."""
    total = sum(len(one.tokens) if one.tokens is not None else _of_parts(one.parts) for one in request.inputs)
    return math.ceil(total)


def of_answer(parts: Iterable[Part]) -> int:
    """The bytes of an answer's words, thoughts and calls, for `settled`."""
    return sum(_SPOKEN[type(part)](part) for part in parts if type(part) in _SPOKEN)


def settled(usage: Usage | None, said: int, context: Context) -> Usage | None:
    """What the upstream counted, and an estimate in the place of what it did not. said: the answer's length in bytes; of an
    answer that said nothing, nothing is estimated, nor of one whose request is not known: half a count is a wrong one."""
    if said <= 0 or context.count_input is None or (usage is not None and usage.output and usage.input):
        return usage
    found = copy.copy(usage) if usage is not None else Usage()
    found.output = found.output or math.ceil(said / BYTES_PER_TOKEN)
    found.input = found.input or context.count_input()
    found.estimated = True
    return found


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_SPOKEN: dict[type[Part], Callable[[Any], int]] = {
    Text: lambda part: _length(part.text),
    Refusal: lambda part: _length(part.text),
    Reasoning: lambda part: _length(part.text),
    ToolCall: lambda part: _length(part.name) + _length(arguments_text(part)),
}


def _of_message(message: Message) -> float:
    return PER_MESSAGE + _of_parts(message.parts)


def _of_tool(tool: Tool | Opaque) -> float:
    if isinstance(tool, Opaque):
        return PER_TOOL + _of_json(tool.raw)
    words = of_text(tool.name) + of_text(tool.description)
    return PER_TOOL + words + (_of_json(tool.parameters) if tool.parameters else 0)


def _of_parts(parts: Iterable[Part]) -> float:
    return sum(_COSTS[type(part)](part) for part in parts)


def _of_json(value: JSON) -> float:
    try:
        return of_text(jsontext.dumps_str(value))
    except jsontext.JSONError:
        return 0.0


def _of_reasoning(part: Reasoning) -> float:
    """Its words. What only the maker can read has no known size."""
    return of_text(part.text)


def _of_call(part: ToolCall) -> float:
    return PER_MESSAGE + of_text(part.name) + of_text(arguments_text(part))


def _of_result(part: ToolResult) -> float:
    return PER_MESSAGE + of_text(part.name) + _of_parts(part.parts)


def _of_image(part: Image) -> float:
    size = pixels(_decoded(part, _HEAD)) if part.data else None
    return MOST_IMAGE if size is None else min(MOST_IMAGE, max(LEAST_IMAGE, size[0] * size[1] / PIXELS))


def _of_document(part: Document) -> float:
    """Text as text, a PDF by its pages, anything else by its size."""
    if part.text is not None:
        return of_text(part.name) + of_text(part.text)
    if part.mime.startswith("text/"):
        return of_text(_decoded(part).decode("utf-8", "replace"))
    if part.data is not None and not part.mime.startswith(("video/", "audio/")):
        return PER_PAGE * max(1, len(_PAGE.findall(_decoded(part))))
    return max(PER_PAGE, _of_bytes(part))


def _of_bytes(part: Media) -> float:
    return len(part.data or "") * 3 / 4 / BYTES_PER_MEDIA_TOKEN


def _decoded(part: Media, digits: int | None = None) -> bytes:
    """The bytes of its base64 text, or of the first `digits` of it."""
    try:
        return base64.b64decode((part.data or "")[:digits])
    except (binascii.Error, ValueError):
        return b""


_HEAD = 256 * 1024
"""Base64 digits in which an image says its size; photographs have thumbnails and colour tables before it."""

_JPEG_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..\x08(....)", re.DOTALL)


def pixels(head: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG, GIF, JPEG or lossy WebP, None where its beginning does not tell."""
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith(b"GIF8") and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head[8:16] == b"WEBPVP8 " and len(head) >= 30:
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    frame = _JPEG_FRAME.search(head) if head.startswith(b"\xff\xd8") else None
    return None if frame is None else (int.from_bytes(frame[1][2:], "big"), int.from_bytes(frame[1][:2], "big"))


_COSTS: dict[type[Part], Callable[[Any], float]] = {
    Text: lambda part: of_text(part.text),
    Refusal: lambda part: of_text(part.text),
    Image: _of_image,
    Document: _of_document,
    Audio: _of_bytes,
    ToolCall: _of_call,
    ToolResult: _of_result,
    Reasoning: _of_reasoning,
    Opaque: lambda part: _of_json(part.raw),
}
