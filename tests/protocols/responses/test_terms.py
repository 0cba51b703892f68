from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import CcproxyError, NotFound, RequestError, TimedOut, UpstreamError
from ccproxy.model import Extras, Usage
from ccproxy.protocols.responses.terms import (
    echo_of,
    own_fields,
    own_shape,
    read_error,
    read_usage,
    response_error,
    write_error,
    write_usage,
)

FULL = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3, "image_tokens": 1},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 30,
    "cost": 0.5,
}


def test_usage_both_ways() -> None:
    usage = read_usage(FULL)
    assert usage is not None
    assert (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning) == (10, 20, 4, 3, 5)
    assert write_usage(usage) == FULL
    assert read_usage(write_usage(usage)) == usage


@pytest.mark.parametrize("raw", [None, [], "x", 3])
def test_no_usage(raw: Any) -> None:
    assert read_usage(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"input_tokens": None, "output_tokens": "7", "input_tokens_details": [], "output_tokens_details": None},
        {"input_tokens": -3, "output_tokens": 1e300, "output_tokens_details": {"reasoning_tokens": None}},
    ],
)
def test_counts_that_are_none(raw: dict[str, Any]) -> None:
    usage = read_usage(raw)
    assert usage is not None
    assert (usage.input, usage.output, usage.cache_read, usage.reasoning) == (0, 0, 0, 0)


def test_usage_of_another_protocol() -> None:
    usage = Usage(10, 20, 4, 3, 5, extras=Extras("claude", {"service_tier": "x"}))
    assert write_usage(usage) == {
        "input_tokens": 10,
        "input_tokens_details": {"cache_write_tokens": 3, "cached_tokens": 4},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 30,
    }
    assert write_usage(None) is None


@pytest.mark.parametrize(
    ("error", "kind", "code", "param"),
    [
        (RequestError("no", param="input[0]"), "invalid_request_error", None, "input[0]"),
        (NotFound("no", code="model_not_found"), "invalid_request_error", "model_not_found", None),
        (UpstreamError("no", status=401), "authentication_error", None, None),
        (UpstreamError("no", status=403), "permission_error", None, None),
        (UpstreamError("no", status=429), "rate_limit_error", None, None),
        (UpstreamError("no", status=503), "service_unavailable_error", None, None),
        (UpstreamError("no", status=529), "server_error", None, None),
        (TimedOut("no"), "server_error", None, None),
    ],
)
def test_error_documents(error: CcproxyError, kind: str, code: str | None, param: str | None) -> None:
    assert write_error(error) == {"error": {"message": "no", "type": kind, "param": param, "code": code}}


def test_an_own_error_is_replayed() -> None:
    raw = {"error": {"message": "m", "type": "t", "param": None, "code": "c", "more": 1}}
    assert write_error(UpstreamError("m", status=400, origin="responses", raw=raw)) is raw
    assert write_error(UpstreamError("m", status=400, origin="gemini", raw=raw)) != raw
    assert write_error(UpstreamError("m", status=400, origin="responses", raw={"detail": "m"}))["error"]["message"] == "m"


@pytest.mark.parametrize(
    ("raw", "message", "status", "code"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": None}, "m", 429, "rate_limit_exceeded"),
        ({"type": "error", "error": {"type": "service_unavailable_error", "code": "x", "message": "m"}}, "m", 503, "x"),
        ({"code": "server_error", "message": "m"}, "m", 500, "server_error"),
        ({"type": "error", "message": "error"}, "error", 500, None),
        ("plain words", "plain words", 500, None),
        ({"error": None}, "the upstream's response failed", 500, None),
        (None, "the upstream's response failed", 500, None),
    ],
)
def test_errors_of_a_stream(raw: Any, message: str, status: int, code: str | None) -> None:
    error = read_error(raw)
    assert (error.message, error.status, error.code, error.origin) == (message, status, code, "responses")
    assert write_error(error)["error"]["message"] == message


def test_codes_that_clients_act_on_stay() -> None:
    assert response_error(UpstreamError("m", status=429, code="insufficient_quota"))["code"] == "insufficient_quota"
    assert response_error(UpstreamError("m", status=403, code="PERMISSION_DENIED"))["code"] == "invalid_prompt"


def test_the_echo_is_what_was_said() -> None:
    assert echo_of({"tools": [], "temperature": None, "store": False, "input": "x"}) == {"tools": [], "store": False}


def test_extras_of_another_protocol_are_not_ours() -> None:
    assert own_fields(Extras("claude", {"a": 1}, "x y")) == {}
    assert own_shape(Extras("claude", {}, "x y")) == frozenset()
    assert own_fields(None) == {}
    assert own_shape(Extras("responses", {}, "x y")) == {"x", "y"}
