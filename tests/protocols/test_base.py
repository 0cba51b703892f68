from __future__ import annotations

import json
import re

import pytest

from ccproxy.model import Context
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import client_tool_name, error_from_document, fit, fit_tool_name, made_id, read_error
from ccproxy.stream import Sink

LEGAL = re.compile(r"[^a-zA-Z0-9_-]")


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c"}}', "m", "c"),
        (b'{"error":{"message":"m","code":429,"status":"RESOURCE_EXHAUSTED"}}', "m", "429"),
        (b'[{"error":{"message":"m","status":"UNAVAILABLE"}}]', "m", "UNAVAILABLE"),
        (b'{"error":"plain"}', "plain", None),
        (b'{"code":"c","error":"flat"}', "flat", "c"),
        (b'{"detail":"d"}', "d", None),
        (b'{"detail":[{"loc":["body"],"msg":"bad"}]}', '[{"loc":["body"],"msg":"bad"}]', None),
        (b'{"message":"m"}', "m", None),
        (b'{"error":{}}', '{"error":{}}', None),
        (b"null", "null", None),
        (b"<html><head><title>x</title></head><body><h1>502 Bad  Gateway</h1></body></html>", "502 Bad Gateway", None),
        (b"no luck\xff", "no luck\ufffd", None),
        (b"", "the upstream answered with status 418", None),
    ],
)
def test_errors_of_any_shape_are_read(body: bytes, message: str, code: str | None) -> None:
    error = read_error("x", 418, [("retry-after", "7"), ("x-request-id", "r"), ("set-cookie", "s")], body)
    assert (error.message, error.code, error.status, error.retry_after) == (message, code, 418, 7.0)
    assert error.headers == (("retry-after", "7"), ("x-request-id", "r"))


DATE = ("date", "Sun, 06 Nov 1994 08:49:37 GMT")
DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("retry-after", " 7 ")], 7.0),
        ([("retry-after", "0.5")], 0.5),
        ([("retry-after", "7"), ("retry-after-ms", "1500")], 1.5),
        ([("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), DATE], 60.0),
        ([("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), DATE], 0.0),
        ([("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], None),
        ([("retry-after", "Sun, 06 Nov 1994 08:50:37 -0000"), DATE], None),
        ([("retry-after", "soon")], None),
        ([("retry-after", "\u0663")], None),
        ([("retry-after", "-1")], None),
        ([("retry-after", "1e9")], None),
        ([("retry-after", "9" * 400)], None),
        ([DATE], None),
    ],
)
def test_how_long_to_wait(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert read_error("x", 429, headers, b"{}").retry_after == seconds


def test_google_says_the_wait_in_the_error_itself() -> None:
    document = {"error": {"code": 429, "message": "quota", "details": ["x", {"@type": "other"}, DELAY]}}
    body = json.dumps(document).encode()
    assert read_error("x", 429, [], body).retry_after == 34.5
    assert read_error("x", 429, [("retry-after", "7")], body).retry_after == 7.0
    assert read_error("x", 429, [], json.dumps([document]).encode()).retry_after == 34.5
    for details in (None, 5, [], [{"retryDelay": 5}], [{"retryDelay": "soon"}]):
        assert error_from_document("x", 429, {"error": {"message": "quota", "details": details}}).retry_after is None


def test_a_long_text_error_is_cut() -> None:
    assert len(read_error("x", 500, [], b"a" * 100_000).message) == 2_000


def test_made_ids_are_told_apart_and_repeat() -> None:
    context = Context(client="a", upstream="b", id="f" * 24)
    assert made_id(context, "x_") == "x_" + "f" * 24
    assert made_id(context, "x_", 1) != made_id(context, "x_", 2)
    assert made_id(context, "x_", 1) == made_id(context, "x_", 1)


@pytest.mark.parametrize("name", ["ok-name_1", "a" * 64])
def test_a_legal_name_stays(name: str) -> None:
    assert fit(name, LEGAL, 64) == name


@pytest.mark.parametrize("name", ["a.b", "a" * 65, "", "ü/ü", "\ud800"])
def test_other_names_become_legal_and_stay_distinct(name: str) -> None:
    wire = fit(name, LEGAL, 64)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", wire)
    assert wire == fit(name, LEGAL, 64)
    assert wire != fit(name + "x", LEGAL, 64)


def test_a_changed_tool_name_finds_its_way_back() -> None:
    context = Context(client="a", upstream="b")
    wire = fit_tool_name("mcp.tool", context, LEGAL, 64)
    assert wire != "mcp.tool"
    assert client_tool_name(wire, context) == "mcp.tool"
    assert client_tool_name("other", context) == "other"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_reprs_show_the_state(name: str) -> None:
    chat = PROTOCOLS[name].chat
    made = Context(client=name, upstream=name)
    encoder = chat.encoder(made)
    for shown in (chat.decoder(made, Sink()), encoder, chat.tap(made)):
        assert type(shown).__name__ in repr(shown)
    assert name in PROTOCOLS
    assert name in repr(PROTOCOLS)


def test_a_responses_stream_is_silent_while_it_is_idle() -> None:
    """Its clients take every event for one of the answer's."""
    assert PROTOCOLS["responses"].chat.tap(Context(client="responses", upstream="responses")).keepalive() == b""
