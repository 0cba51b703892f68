"""One line: no key in it, no media, and otherwise what was sent."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.app.traffic.lines import LONGEST_MEDIA, Gathered, Line, Masks, shown_headers, shown_query, without_media
from ccproxy.model import Usage

KEY = "sk-proj/ab+c=_1"
ODD = 'cs-"quoted\\"'


def written(*pieces: bytes, masks: Masks | None = None, longest: int = 1 << 20, **given: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"own": {}, "facts": {}, "size": sum(map(len, pieces)), **given}
    line = Line(id="i", when=1.5, direction="from_client", pieces=pieces, **facts)
    data = line.written(masks or Masks([]), longest)
    assert b"\n" not in data
    document: dict[str, Any] = json.loads(data)
    return document


# ---------------------------------------------------------------------------------------------------------------------
# Bodies


def test_what_is_known_comes_first_and_what_is_not_stays_out() -> None:
    line = written(own={"key": "laptop", "group": "", "status": None, "attempt": 1}, facts={"agent": None, "path": "/v1"})
    assert list(line.items()) == [
        ("id", "i"),
        ("time", "1970-01-01T00:00:01.500Z"),
        ("direction", "from_client"),
        ("key", "laptop"),
        ("attempt", 1),
        ("path", "/v1"),
    ]


def test_a_document_stays_the_bytes_that_it_was() -> None:
    body = b'{"b": 1.0, "a":[1e2, 123456789012345678901234567890], "a": "\\u00e9\\ud83d \xc3\xa9", "s":"\\n"}'
    data = Line(id="i", when=0, direction="d", own={}, facts={}, pieces=[body], size=len(body)).written(Masks([]), 1 << 20)
    assert body in data


def test_a_document_of_many_lines_is_one_of_one() -> None:
    body = {"messages": [{"role": "user", "content": "two\nlines\r\n"}]}
    assert written(json.dumps(body, indent=2).replace("\n", "\r\n").encode())["body"] == body


BODIES: list[tuple[bytes, dict[str, Any], dict[str, Any]]] = [
    (b'{"a":1}', {}, {"body": {"a": 1}}),
    (b"[1, 2]", {}, {"body": [1, 2]}),
    (b"", {}, {}),
    (b"<html>\n", {}, {"text": "<html>\n"}),
    (b'{"a":', {}, {"text": '{"a":'}),
    (b"\xff\x00", {}, {"text": "\ufffd\x00"}),
    (b"data: {}\n\n", {"streams": True}, {"stream": "data: {}\n\n"}),
    (b'{"a":1}\n', {"streams": True}, {"stream": '{"a":1}\n'}),
]


@pytest.mark.parametrize(("body", "given", "expected"), BODIES)
def test_a_body_is_what_it_is(body: bytes, given: dict[str, Any], expected: dict[str, Any]) -> None:
    line = written(body, **given)
    assert {name: line[name] for name in ("body", "text", "stream", "cut") if name in line} == expected


def test_what_is_known_to_be_json_is_looked_at_again_only_where_a_key_was_in_it() -> None:
    assert written(b'{"a":1234}', valid=True)["body"] == {"a": 1234}
    assert written(b'{"a":1234}', valid=True, masks=Masks(["1234"]))["text"] == '{"a":***}'


def test_a_long_body_is_cut_and_says_so() -> None:
    body = json.dumps({"text": "one two " * 1000}).encode()
    line = written(body, longest=1000)
    assert (line["text"], line["cut"]) == (body[:1000].decode(), len(body) - 1000)
    assert "body" not in line


def test_a_long_stream_is_cut_while_it_comes() -> None:
    gathered = Gathered(limit=100)
    for _ in range(50):
        gathered.add(b"data: x\n\n")
    assert (sum(map(len, gathered.pieces)), gathered.size) == (108, 450)
    line = written(*gathered.pieces, size=gathered.size, longest=100, streams=True)
    assert (len(line["stream"]), line["cut"]) == (100, 350)


def test_the_usage_is_asked_for_when_the_line_is_written() -> None:
    line = written(counted=lambda: Usage(input=3, output=4, cache_read=1, estimated=True))
    assert line["usage"] == {"input": 3, "output": 4, "cache_read": 1, "estimated": True}
    assert "usage" not in written(counted=lambda: None)


# ---------------------------------------------------------------------------------------------------------------------
# Keys


@pytest.mark.parametrize("key", [KEY, ODD, "1234", "key with space"])
def test_a_key_in_any_spelling(key: str) -> None:
    nested = json.dumps({"arguments": json.dumps({"env": key, "deeper": json.dumps([f"x{key}y"])})})
    bodies = [nested, nested.replace("/", "\\/"), f"data: {nested}\n\n", key, f"?key={key}&x"]
    for body in bodies:
        for streams in (True, False):
            text = json.dumps(written(body.encode(), masks=Masks([key]), streams=streams))
            assert key not in text
            assert json.dumps(key)[1:-1] not in text


def test_one_key_may_be_the_beginning_of_another() -> None:
    assert Masks(["abcd", "abcd-efgh"]).data(b"abcd abcd-efgh xabcdx") == b"*** *** x***x"


def test_words_are_no_keys() -> None:
    assert Masks(["", "a", "sk-"]).data(b"a sk- b") == b"a sk- b"
    assert Masks(["ollama"], shortest=16).data(b"ollama") == b"ollama"


def test_keys_in_what_is_known_of_a_message() -> None:
    facts = {"path": f"/v1/{KEY}", "headers": {"x-any": f"a {KEY}"}, "notes": [f"no {KEY}"], "url": "http://u"}
    line = written(masks=Masks([KEY]), facts=facts, own={"key": "laptop"})
    assert KEY not in json.dumps(line)
    assert (line["path"], line["notes"], line["key"]) == ("/v1/***", ["no ***"], "laptop")


@pytest.mark.parametrize("cut", range(1, len(KEY)))
def test_no_part_of_a_key_is_left_at_the_end_of_what_was_cut(cut: int) -> None:
    line = written(f"0123456789 {KEY}"[: 11 + cut].encode(), size=1000, masks=Masks([KEY]), streams=True)
    assert not line.get("stream", "").endswith(KEY[:3])
    assert line["cut"] + len(line.get("stream", "")) == 1000


TEXTS = st.text(max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | TEXTS | st.just(KEY) | TEXTS.map(lambda text: f"{text}{KEY}{text}")
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


@given(value=VALUES, shown=VALUES, streams=st.booleans(), ascii_only=st.booleans(), longest=st.integers(1, 200))
def test_no_key_anywhere(value: Any, shown: Any, streams: bool, ascii_only: bool, longest: int) -> None:
    body = json.dumps({"v": value, "inner": json.dumps(value)}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    line = written(body, masks=Masks([KEY]), facts={"notes": shown}, streams=streams, longest=longest)
    assert KEY not in json.dumps(line)
    assert KEY not in json.dumps(line, ensure_ascii=False)


def test_headers_that_may_be_credentials_keep_their_names() -> None:
    given = [
        ("Authorization", "x"),
        ("x-api-key", "x"),
        ("X-Goog-Api-Key", "x"),
        ("api-key", "x"),
        ("cookie", "x"),
        ("proxy-authorization", "x"),
        ("x-auth-token", "x"),
        ("my-secret", "x"),
        ("anthropic-beta", "one"),
        ("anthropic-beta", "two"),
        ("x-ratelimit-remaining-tokens", "7"),
        ("anthropic-ratelimit-tokens-limit", "8"),
        ("User-Agent", "claude-cli/2"),
        ("host", "127.0.0.1"),
        ("content-length", "12"),
    ]
    shown = shown_headers(given)
    assert {name for name, value in shown.items() if value == "***"} == {
        name.lower() for name, value in given if value == "x"
    }
    assert {name: value for name, value in shown.items() if value != "***"} == {
        "anthropic-beta": "one, two",
        "x-ratelimit-remaining-tokens": "7",
        "anthropic-ratelimit-tokens-limit": "8",
        "user-agent": "claude-cli/2",
    }
    assert shown_query({"key": "x", "alt": "sse"}) == {"key": "***", "alt": "sse"}


# ---------------------------------------------------------------------------------------------------------------------
# Media

RAW = random.Random(7).randbytes(3000)
DATA = base64.b64encode(RAW).decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + RAW).decode()

MEDIA: dict[str, tuple[Any, str]] = {
    "claude": (
        {"source": {"type": "base64", "media_type": "image/webp", "data": DATA}},
        "[base64: image/webp, 3000 bytes]",
    ),
    "openai": ({"image_url": {"url": f"data:image/jpeg;base64,{DATA}"}}, "[base64: image/jpeg, 3000 bytes]"),
    "gemini": ({"inlineData": {"data": DATA, "mimeType": "application/pdf"}}, "[base64: application/pdf, 3000 bytes]"),
    "ollama": ({"images": [PNG, PNG]}, "[base64: image/png, 3008 bytes]"),
    "nothing tells": ({"encrypted_content": DATA}, "[base64: 3000 bytes]"),
    "url-safe": ({"d": base64.urlsafe_b64encode(RAW).decode()}, "[base64: 3000 bytes]"),
    "within a text": (
        {"arguments": json.dumps({"mime_type": "audio/wav", "data": DATA})},
        "[base64: audio/wav, 3000 bytes]",
    ),
}


@pytest.mark.parametrize(("value", "told"), MEDIA.values(), ids=MEDIA)
@pytest.mark.parametrize("escaped", [False, True])
def test_media_is_told_by_its_type_and_size(value: Any, told: str, escaped: bool) -> None:
    text = json.dumps(value)
    text = text.replace("/", "\\/") if escaped and "arguments" not in value else text
    told = told if not escaped else told.partition(":")[0]
    body = without_media(text.encode())
    shown = json.dumps(json.loads(body))
    assert told in shown
    assert DATA[:200] not in shown
    assert len(shown) < 300
    stream = without_media(f"data: {text}\n\ndata: {text}\n\n".encode()).decode()
    assert stream.count(told.partition(",")[0]) == 2 * text.count("base64,") or told.partition(",")[0] in stream


TEXT = {
    "a long word": "x" * 5000,
    "a long text": "a word B 9 " * 500,
    "lower-case hexadecimal": "0123456789abcdef" * 500,
    "short base64": DATA[:LONGEST_MEDIA],
    "base64 with a space": f"{DATA} {DATA}",
}


@pytest.mark.parametrize("text", TEXT.values(), ids=TEXT)
def test_other_text_stays(text: str) -> None:
    body = json.dumps({"content": text}).encode()
    assert without_media(body) is body


def test_a_backslash_before_the_quote_stays_where_it_was() -> None:
    body = json.dumps({"arguments": json.dumps({"data": DATA, "n": 1})}).encode()
    assert json.loads(json.loads(without_media(body))["arguments"]) == {"data": "[base64: 3000 bytes]", "n": 1}


def test_reprs_tell_no_key() -> None:
    assert repr(Masks([KEY])) == "<Masks of 3 spellings>"
