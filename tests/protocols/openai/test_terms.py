"""Usage, errors and finish words of OpenAI and its compatible vendors."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import CcproxyError, NotFound, TimedOut, Unauthorized, UpstreamError
from ccproxy.model import Extras, Usage
from ccproxy.protocols.failures import read_error
from ccproxy.protocols.openai.terms import NAME, own_proof, usage_in, usage_out, write_error
from tests.tools import recorded, recordings


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4}, (10, 4, 0, 0, 0)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            (10, 4, 6, 2, 3),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 4, "prompt_cache_hit_tokens": 6}, (10, 4, 6, 0, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 4, "cached_tokens": 6}, (10, 4, 6, 0, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 4, "num_cached_tokens": 6}, (10, 4, 6, 0, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 4, "reasoning_tokens": 9}, (10, 4, 0, 0, 4)),
        ({"prompt_tokens": 10, "completion_tokens": 4, "cache_read_input_tokens": 90}, (10, 4, 10, 0, 0)),
        ({"prompt_tokens": None, "completion_tokens": -4, "prompt_tokens_details": None}, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": 10.0, "completion_tokens": "4", "completion_tokens_details": [1]}, (10, 0, 0, 0, 0)),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, (0, 0, 0, 0, 0)),
    ],
)
def test_usage_in(document: dict[str, Any], expected: tuple[int, ...]) -> None:
    usage = usage_in(document)
    assert (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning) == expected


def test_usage_comes_back_as_it_was() -> None:
    document = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "cost": 0.5,
        "prompt_tokens_details": {"cached_tokens": 6, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert usage_out(usage_in(document)) == document


def test_usage_of_another_protocol() -> None:
    usage = Usage(10, 4, cache_read=6, cache_write=2, reasoning=3, extras=Extras("x", {"secret": 1}))
    assert usage_out(usage) == {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


@pytest.mark.parametrize(
    ("error", "type"),
    [
        (CcproxyError("m", status=400), "invalid_request_error"),
        (Unauthorized("m"), "authentication_error"),
        (NotFound("m"), "not_found_error"),
        (CcproxyError("m", status=418), "invalid_request_error"),
        (CcproxyError("m", status=429), "rate_limit_error"),
        (UpstreamError("m", status=529), "service_unavailable_error"),
        (UpstreamError("m"), "server_error"),
        (TimedOut("m"), "timeout_error"),
    ],
)
def test_write_error(error: CcproxyError, type: str) -> None:
    error.code, error.param = "word", "place"
    assert write_error(error) == {"error": {"message": "m", "type": type, "param": "place", "code": "word"}}


@pytest.mark.parametrize(
    "case", [case for case in recordings("errors", part="response") if case.id.startswith(("openai-chat", "no-"))]
)
def test_recorded_errors_are_replayed(case: dict[str, Any]) -> None:
    """Where the upstream's document has this protocol's shape; else it is made to have it."""
    error = read_error(NAME, case["status"], [], recorded(case, "response"))
    document = write_error(error)
    assert error.message in document["error"]["message"]
    assert document["error"]["message"]
    if "error" in error.raw:
        assert document is error.raw
    foreign = write_error(UpstreamError(error.message, origin="elsewhere", raw=error.raw))
    assert foreign["error"]["type"] == "server_error"


@pytest.mark.parametrize("text", ["", "x", "{", "[1]", "3", '"a"', "{" * 3000])
def test_what_is_no_proof_of_ours(text: str) -> None:
    assert own_proof(text) is None
