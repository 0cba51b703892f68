from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from ccproxy.errors import Unsupported
from ccproxy.model import (
    Audio,
    Context,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    ToolCall,
    ToolResult,
)
from ccproxy.protocols.gemini.parts_out import PartWriter, wire_name
from tests.protocols.gemini.judge import context
from tests.tools import known

PNG = Image(mime="image/png", data="iVBORw0KGgo=")
INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
SKIP = "skip_thought_signature_validator"


def parts(*given: Part, model: str = "gemini-2.5-flash", told: Context | None = None) -> list[dict[str, Any]]:
    made = PartWriter(known(Target(protocol="gemini", model=model)), told or context(), own=False).parts(list(given))
    for part in made:
        types.Part.model_validate(part)
    return made


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Text("a"), [{"text": "a"}]),
        (Text(""), []),
        (Refusal("no"), [{"text": "no"}]),
        (PNG, [INLINE]),
        (Image(data="iVBORw0KGgo="), [INLINE]),
        (Audio(mime="audio/wav", data="UklG"), [{"inlineData": {"mimeType": "audio/wav", "data": "UklG"}}]),
        (Document(text="words", name="a.txt"), [{"text": "a.txt\nwords"}]),
        (
            Document(file_id="file-1", name="a.pdf"),
            [{"text": "[document a.pdf left out: the gemini protocol has no place for it here]"}],
        ),
        (Image(url="gs://b/a"), [{"fileData": {"fileUri": "gs://b/a"}}]),
        (
            Image(url="https://x.example/a.PNG?b=c.d"),
            [{"fileData": {"fileUri": "https://x.example/a.PNG?b=c.d", "mimeType": "image/png"}}],
        ),
        (
            Document(url="https://x.example/a", mime="application/pdf"),
            [{"fileData": {"fileUri": "https://x.example/a", "mimeType": "application/pdf"}}],
        ),
        (
            ToolCall("1", "f", '{"a":98765432109876543210}'),
            [{"functionCall": {"name": "f", "args": {"a": 98765432109876543210}}}],
        ),
        (ToolCall("1", "f", ""), [{"functionCall": {"name": "f", "args": {}}}]),
        (ToolCall("1", "f", '{"cut'), [{"functionCall": {"name": "f", "args": {"raw": '{"cut'}}}]),
        (ToolCall("1", "f", "ls", kind="custom"), [{"functionCall": {"name": "f", "args": {"input": "ls"}}}]),
        (Opaque("claude", {"type": "x"}), []),
        (
            Opaque("gemini", {"executableCode": {"code": "1", "language": "PYTHON"}}),
            [{"executableCode": {"code": "1", "language": "PYTHON"}}],
        ),
        (Opaque("gemini", {"groundingMetadata": {}}), []),
        (Reasoning("hm", origin="openai"), [{"text": "hm", "thought": True}]),
        (Reasoning("hm", signature="s", origin="claude"), [{"text": "hm", "thought": True}]),
        (Reasoning(redacted="blob", origin="claude"), []),
    ],
)
def test_one_part(part: Part, expected: list[dict[str, Any]]) -> None:
    assert parts(part) == expected


@pytest.mark.parametrize("url", ["ftp://x.example/a.png", "file:///etc/passwd", "blob:x"])
def test_urls_that_nobody_fetches_are_refused(url: str) -> None:
    with pytest.raises(Unsupported, match="URL"):
        parts(Image(url=url))


SIGN = Reasoning(signature="b3du", origin="gemini")


@pytest.mark.parametrize(
    ("given", "signatures"),
    [
        ([SIGN, Text("a")], ["b3du"]),
        ([SIGN, Text(""), Text("a")], ["b3du"]),
        ([Text("a"), SIGN], [None, "b3du"]),
        ([Reasoning("hm", signature="b3du", origin="gemini"), ToolCall("1", "f", "{}"), Text("b")], [None, "b3du", None]),
        ([SIGN, PNG], ["b3du"]),
        ([Reasoning("hm", signature="s", origin="claude"), Text("a")], [None, None]),
        ([Reasoning("h", signature="b3du", origin="gemini"), Reasoning("m"), Text("a")], [None, "b3du", None, None]),
        ([SIGN, Reasoning(signature="bW9y", origin="gemini"), Text("a")], ["b3du", "bW9y"]),
    ],
)
def test_signatures_stand_on_the_part_they_sign(given: list[Part], signatures: list[str | None]) -> None:
    assert [part.get("thoughtSignature") for part in parts(*given)] == signatures


@pytest.mark.parametrize(
    ("model", "signatures"),
    [
        ("gemini-3-pro-preview", [SKIP, None]),
        ("gemini-3.1-flash", [SKIP, None]),
        ("gemini-flash-latest", [SKIP, None]),
        ("publishers/google/models/gemini-3-pro", [SKIP, None]),
        ("gemini-2.5-pro", [None, None]),
        ("gemma-3-27b", [None, None]),
    ],
)
def test_calls_without_a_signature(model: str, signatures: list[str | None]) -> None:
    made = parts(ToolCall("1", "f", "{}"), ToolCall("2", "g", "{}"), model=model)
    assert [part.get("thoughtSignature") for part in made] == signatures


def result(*given: Part, **told: Any) -> dict[str, Any]:
    made = parts(ToolResult("1", "f", list(given), **told))
    return made[0]["functionResponse"]["response"]


@pytest.mark.parametrize(
    ("texts", "failed", "expected"),
    [
        (["plain"], False, {"result": "plain"}),
        ([], False, {"result": ""}),
        (["a", "b"], False, {"result": "a\nb"}),
        (["boom"], True, {"error": "boom"}),
        (['{"error": 1}'], True, {"error": '{"error": 1}'}),
        ([' {"a": {"b": 98765432109876543210}}'], False, {"a": {"b": 98765432109876543210}}),
        (["[1,2]"], False, {"result": "[1,2]"}),
        (["{ signature = 1; }"], False, {"result": "{ signature = 1; }"}),
        (['{"a": [{"$ref": "#/x"}]}'], False, {"result": '{"a": [{"$ref": "#/x"}]}'}),
        (['{"$defs": {}}'], False, {"result": '{"$defs": {}}'}),
    ],
)
def test_a_response_is_an_object(texts: list[str], failed: bool, expected: dict[str, Any]) -> None:
    assert result(*map(Text, texts), is_error=failed) == expected


def test_media_in_results_go_inside_for_gemini_3() -> None:
    first, second = ToolResult("1", "f", [Text("see"), PNG]), ToolResult("2", "g", [Text("ok")])
    made = parts(first, second, model="gemini-3-pro")
    assert [list(part) for part in made] == [["functionResponse"]] * 2
    assert made[0]["functionResponse"]["parts"] == [INLINE]


def test_media_in_results_go_behind_for_older_models() -> None:
    first, second = ToolResult("1", "f", [Text("see"), PNG]), ToolResult("2", "g", [Image(url="https://x.example/b.png")])
    made = parts(first, second)
    assert ["functionResponse" in part for part in made] == [True, True, False, False, False, False]
    assert (made[2], made[3]) == ({"text": "[From the result of f:]"}, INLINE)
    assert made[5]["fileData"]["fileUri"] == "https://x.example/b.png"


def test_what_cannot_stand_in_a_result_is_said() -> None:
    told = context()
    lost: list[Part] = [Document(file_id="x"), Opaque("claude", {})]
    made = parts(ToolResult("1", "f", lost), told=told)
    assert "left out" in made[0]["functionResponse"]["response"]["result"]
    assert len(told.notes) == 2


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("get_weather", True),
        ("mcp__a.b-c:d", True),
        ("_x", True),
        ("2fast", False),
        ("-x", False),
        ("a b", False),
        ("ünïcode", False),
        ("x" * 129, False),
        ("", False),
    ],
)
def test_names(name: str, legal: bool) -> None:
    told = context()
    wire = wire_name(name, told)
    assert (wire == name) is legal
    assert told.tool_names.get(wire, wire) == name
    assert len(wire) <= 128
    assert wire[0].isalpha() or wire[0] == "_"
    assert wire_name(name, told) == wire
