from __future__ import annotations

from typing import Any, get_args

import pytest
from google.genai import types

from ccproxy.errors import CcproxyError, Malformed, NotFound, RequestError, Unauthorized, UpstreamError
from ccproxy.model import Finish, Usage
from ccproxy.protocols.failures import read_error
from ccproxy.protocols.gemini.terms import FAILURES, FINISHES, REASONS, error_status, read_usage, write_error, write_usage
from tests.tools import recorded, recordings


def test_every_finish_reason_of_the_sdk_has_its_meaning() -> None:
    assert {reason.value for reason in types.FinishReason} <= FINISHES.keys() | FAILURES
    assert set(REASONS) == set(get_args(Finish))
    assert {types.FinishReason(reason) for reason in REASONS.values()}


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (RequestError("no"), 400, "INVALID_ARGUMENT"),
        (Unauthorized("no"), 401, "UNAUTHENTICATED"),
        (NotFound("no"), 404, "NOT_FOUND"),
        (UpstreamError("no", status=429), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamError("no", status=529), 503, "UNAVAILABLE"),
        (UpstreamError("no", status=599), 599, "INTERNAL"),
        (UpstreamError("no", status=418), 418, "FAILED_PRECONDITION"),
        (UpstreamError("no", status=503, origin="claude", raw={"error": {"type": "x"}}), 503, "UNAVAILABLE"),
        (UpstreamError("no", origin="gemini", raw="text"), 502, "UNAVAILABLE"),
    ],
)
def test_errors(error: CcproxyError, code: int, status: str) -> None:
    assert write_error(error) == {"error": {"code": code, "message": "no", "status": status}}


def test_what_an_error_knows_beyond_its_message() -> None:
    error = RequestError("bad", code="unsupported", param="contents[0]", retry_after=1.5)
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in write_error(error)["error"]["details"]}
    assert kinds["ErrorInfo"]["reason"] == "UNSUPPORTED"
    assert kinds["BadRequest"]["fieldViolations"][0]["field"] == "contents[0]"
    assert kinds["RetryInfo"]["retryDelay"] == "1.5s"


@pytest.mark.parametrize("case", recordings("errors", part="response"))
def test_recorded_errors_are_replayed(case: dict[str, Any]) -> None:
    if case["protocol"] != "gemini":
        pytest.skip("another protocol")
    error = read_error("gemini", case["status"], (), recorded(case, "response"))
    document = write_error(error)
    assert document["error"]["message"] == error.message
    assert document == error.raw
    assert error_status(document["error"]) == case["status"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 404}, 404),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"code": 7, "status": "PERMISSION_DENIED"}, 403),
        ({"status": []}, 502),
        ("text", 502),
        (None, 502),
    ],
)
def test_the_status_of_an_error_in_a_stream(error: Any, status: int) -> None:
    assert error_status(error) == status


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}, Usage(5, 2)),
        ({"prompt_token_count": "5", "candidates_token_count": 2.0, "thoughts_token_count": None}, Usage(5, 2)),
        (
            {"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 1, "thoughtsTokenCount": 6},
            Usage(9, 7, 4, 0, 6),
        ),
        ({"promptTokenCount": 0, "totalTokenCount": 0, "trafficType": "ON_DEMAND"}, None),
        ({"trafficType": "ON_DEMAND"}, None),
    ],
)
def test_usage_in(raw: dict[str, Any], expected: Usage | None) -> None:
    usage = read_usage(raw)
    if usage is not None:
        usage.extras = None
    assert usage == expected


@pytest.mark.parametrize("raw", [7, [], {"promptTokenCount": "many"}, {"totalTokenCount": []}, {"promptTokenCount": 1.5}])
def test_usage_that_cannot_be_read(raw: Any) -> None:
    with pytest.raises(Malformed):
        read_usage(raw)


def test_usage_out_and_in() -> None:
    raw = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "toolUsePromptTokenCount": 3,
        "cachedContentTokenCount": 4,
        "totalTokenCount": 38,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    }
    usage = read_usage(raw)
    assert usage is not None
    assert (usage.input, usage.output, usage.cache_read, usage.reasoning) == (13, 25, 4, 5)
    assert write_usage(usage) == raw


def test_more_reasoning_than_output_is_not_negative() -> None:
    assert write_usage(Usage(1, 2, reasoning=5))["candidatesTokenCount"] == 0
