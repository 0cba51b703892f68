"""The estimate, its parts, and its error against what providers counted (the figures of `ccproxy.tokens`)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from ccproxy.errors import CcproxyError
from ccproxy.model import (
    Audio,
    Context,
    Document,
    EmbeddingInput,
    EmbeddingRequest,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.stream import Collector
from ccproxy.tokens import MOST_IMAGE, PER_PAGE, SCALE, of_embedding, of_request, of_text, pixels
from tests.tools import RECORDINGS, recorded

# What Qwen's vocabulary (GPT-4's, with more of Chinese) makes of these texts of ours.
COUNTED = [
    ("The quick brown fox jumps over the lazy dog, and nobody minds.", 14),
    ("def area(width: float, height: float) -> float:\n    return width * height\n", 19),
    ('{"city":"Paris","days":3,"units":["celsius","kelvin"]}', 19),
    ("人工智能是计算机科学的一个分支。", 7),
    ("La réponse est évidente, mais personne ne la connaît.", 12),
]


def asking(*parts: Part, **more: Any) -> Request:
    return Request(origin="a", model="m", messages=[Message("user", list(parts))], **more)


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_texts_against_a_vocabulary(text: str, tokens: int) -> None:
    assert 0.8 < of_text(text) * SCALE / tokens < 1.9


def test_an_indentation_costs_little() -> None:
    assert of_text(" " * 16 + "x") < 3
    assert of_text("  ") >= 0
    assert of_text("") == 0


def test_lone_surrogates_are_counted() -> None:
    assert of_text("\ud83d") > 0


EVERYTHING: list[Part] = [
    Text("word " * 50),
    Refusal("word " * 50),
    Reasoning("word " * 50),
    Document(text="word " * 50),
    Document(data=base64.b64encode(b"word " * 50).decode(), mime="text/plain"),
    ToolCall("id", "name", {"text": "word " * 50}),
    ToolCall("id", "name", '{"text": "%s"}' % ("word " * 50)),
    ToolResult("id", "name", [Text("word " * 50)]),
    Opaque("a", {"text": "word " * 50}),
]


@pytest.mark.parametrize("part", EVERYTHING, ids=lambda part: type(part).__name__)
def test_every_part_counts(part: Part) -> None:
    assert of_request(asking(part)) > of_request(asking()) + 45
    assert of_request(Request(origin="a", model="m", system=[part])) > 45


def test_tools_system_and_format_count() -> None:
    plain = of_request(asking(Text("hi")))
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "Where it is"}}}
    assert of_request(asking(Text("hi"), tools=[Tool("weather", "The weather", schema)])) > plain + 40
    assert of_request(asking(Text("hi"), tools=[Opaque("a", {"type": "search"})])) > plain + 35
    assert of_request(asking(Text("hi"), system=[Text("Be brief, and friendly too.")])) > plain + 5
    assert of_request(asking(Text("hi"), format=ResponseFormat("json_schema", schema))) > plain + 15


def test_what_has_no_json_counts_nothing() -> None:
    assert of_request(asking(Opaque("a", {"x": object()}))) == of_request(asking())


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (300).to_bytes(4, "big")
GIF = b"GIF89a" + (640).to_bytes(2, "little") + (300).to_bytes(2, "little")
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\xff\xc0\0\x11\x08" + (300).to_bytes(2, "big") + (640).to_bytes(2, "big") + b"\x03"
WEBP = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + (640).to_bytes(2, "little") + (300).to_bytes(2, "little")


@pytest.mark.parametrize("head", [PNG, GIF, JPEG, WEBP], ids=["png", "gif", "jpeg", "webp"])
def test_an_image_tells_its_size(head: bytes) -> None:
    assert pixels(head) == (640, 300)
    assert pixels(head[:8]) is None


def test_an_image_costs_what_its_size_says() -> None:
    plain = of_request(asking())
    small = of_request(asking(Image(data=base64.b64encode(PNG).decode()))) - plain
    unknown = of_request(asking(Image(url="https://example.com/a.png"))) - plain
    broken = of_request(asking(Image(data="AAAAA"))) - plain
    assert 250 < small < 350
    assert unknown == broken
    assert unknown > MOST_IMAGE


def test_a_pdf_costs_by_its_pages_and_sound_by_its_bytes() -> None:
    plain = of_request(asking())
    pdf = b"%PDF-1.4 /Type /Pages /Type /Page x /Type/Page y"
    pages = of_request(asking(Document(data=base64.b64encode(pdf).decode(), mime="application/pdf"))) - plain
    assert pages >= 2 * PER_PAGE
    assert of_request(asking(Document(file_id="f"))) - plain >= PER_PAGE
    assert of_request(asking(Document(data="A" * 4_000_000, mime="video/mp4"))) - plain > PER_PAGE
    assert of_request(asking(Audio(data="A" * 40_000))) - plain > 50


def test_embeddings_count_texts_and_ids() -> None:
    request = EmbeddingRequest(
        origin="a", model="m", inputs=[EmbeddingInput(tokens=[1, 2, 3]), EmbeddingInput(parts=[Text("hi there")])]
    )
    assert of_embedding(request) == 3 + 2


# ---------------------------------------------------------------------------------------------------------------------
# The recorded counts

UNSEEN = {
    "groq-compound-beta-web-search-long-stream": "the model searched by itself",
    "anthropic-claude-sonnet-4-5-thinking-mcp-stream": "the provider's MCP tools are in no part of the request",
    "openai-o4-mini-image-pdf": "files by id",
    "openai-o4-mini-pdf": "files by id",
}
"""Requests whose input is mostly not in them; with a provider's own tools or an earlier turn by id, likewise."""

KINDS = {
    "openai-chat": "openai",
    "openai-responses": "responses",
    "claude": "claude",
    "gemini": "gemini",
    "ollama": "ollama",
}


def counted() -> list[tuple[str, str, int, int]]:
    """(group, name, counted, estimated) of every recorded request whose input was counted."""
    cases = json.loads((Path(RECORDINGS) / "index.json").read_text()) if RECORDINGS else []
    found = []
    for case in cases:
        if case["dir"] not in KINDS or "request" not in case["files"] or case["name"] in UNSEEN:
            continue
        protocol = PROTOCOLS[KINDS[case["dir"]]]
        context = Context(client=protocol.name, upstream=protocol.name)
        try:
            request = protocol.chat.read_request(
                json.loads(recorded(case, "request")), context, Call(model="m", stream=False)
            )
        except CcproxyError:  # embeddings, and requests that were wrong on purpose
            continue
        tokens = _input_of(case, protocol, context)
        if tokens and not _beyond(request):
            found.append((_group(request, case["name"]), case["name"], tokens, of_request(request)))
    return found


def _input_of(case: dict[str, Any], protocol: Any, context: Context) -> int:
    collector = Collector()
    if "response" in case["files"]:
        document = json.loads(recorded(case, "response"))
        if "count" in case["kinds"]:
            return int(document.get("input_tokens") or document["totalTokens"])
        protocol.chat.read_answer(document, context, collector)
    else:
        decoder = protocol.chat.decoder(context, collector)
        decoder.feed(recorded(case))
    return collector.answer.usage.input if collector.answer.usage else 0


def _parts(request: Request) -> list[Part]:
    parts = [part for message in request.messages for part in message.parts]
    return parts + [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]


def _beyond(request: Request) -> bool:
    return bool(request.previous_id) or any(isinstance(one, Opaque) for one in [*request.tools, *_parts(request)])


def _group(request: Request, name: str) -> str:
    if any(isinstance(part, (Image, Document, Audio)) for part in _parts(request)):
        return "media"
    kind = "tools" if request.tools else "text"
    return f"{kind} of claude" if "claude" in name or "anthropic" in name else kind


BOUNDS = {
    # group: (lowest and highest median of estimated / counted, the share within a factor of two)
    "text": (1.0, 1.3, 0.75),
    "text of claude": (0.9, 1.3, 0.6),
    "tools": (1.0, 1.8, 0.6),
    "tools of claude": (0.2, 1.3, 0.0),
    "media": (1.0, 3.5, 0.25),
}


@pytest.mark.skipif(not RECORDINGS, reason="no recorded traffic: set CCPROXY_RECORDINGS to its folder")
@pytest.mark.parametrize("group", BOUNDS)
def test_the_error_does_not_grow(group: str) -> None:
    ratios = [estimated / tokens for kind, _, tokens, estimated in counted() if kind == group]
    low, high, share = BOUNDS[group]
    print(f"{group}: {len(ratios)} cases, median {median(ratios):.2f}, {sum(0.5 <= one <= 2 for one in ratios)}")
    assert low <= median(ratios) <= high
    assert sum(0.5 <= one <= 2 for one in ratios) / len(ratios) >= share
