from __future__ import annotations

import json

import pytest

from ccproxy.protocols.failures import error_from_document, read_error


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
