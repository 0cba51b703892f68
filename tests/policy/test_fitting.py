"""Documents as a target takes them, and what is sent once more after a refusal."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ccproxy.errors import UpstreamError
from ccproxy.model import Traits
from ccproxy.policy.fitting import KNOBS, fitted, repaired
from ccproxy.policy.vendors import BUILT_IN
from ccproxy.protocols.failures import read_error

ANY = BUILT_IN.traits("", "", "m", "/chat/completions")
GROQ = BUILT_IN.traits("", "api.groq.com", "m", "/chat/completions")


@pytest.mark.parametrize(
    ("traits", "said", "fit"),
    [
        (Traits(), {"a": 1}, {"a": 1}),
        (Traits(drop=("a",)), {"a": 1, "b": 2}, {"b": 2}),
        (Traits(drop=("a.b",)), {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        (Traits(drop=("a.b",)), {"a": {"b": 1}, "c": 2}, {"c": 2}),
        (Traits(drop=("a.b",)), {"a": 1}, {"a": 1}),
        (Traits(drop=("a.b",)), {"a": {"c": 1}}, {"a": {"c": 1}}),
        (Traits(drop_thinking=("a",)), {"a": 1}, {}),
        (Traits(only={"a": 1}), {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (Traits(only={"a": 1}), {"a": 0.5}, {}),
        (Traits(rename={"a": "z"}), {"a": 1, "b": 2}, {"z": 1, "b": 2}),
        (Traits(rename={"a": "z"}), {"a": 1, "z": 2}, {"z": 2}),
        (Traits(rename={"a": "z"}, drop=("z",)), {"a": 1}, {}),
        (Traits(fill={"a": {"b": 1}, "c": 2}), {"a": {"d": 3}, "c": 4}, {"a": {"b": 1, "d": 3}, "c": 4}),
    ],
)
def test_what_goes_up(traits: Traits, said: dict[str, Any], fit: dict[str, Any]) -> None:
    notes: list[str] = []
    kept = copy.deepcopy(said)
    found = fitted(said, traits, notes.append, own=False, thinks=True)
    assert (found, said) == (fit, kept)
    assert (found is said) == (said == fit and not traits.fill)
    assert len(notes) == (found != said and not traits.rename and not traits.fill) + (
        len(traits.drop) and bool(traits.rename)
    )


def test_a_renamed_member_keeps_its_place() -> None:
    assert list(fitted({"a": 1, "b": 2}, Traits(rename={"a": "z"}), print, own=True)) == ["z", "b"]


def test_nothing_is_added_for_clients_of_the_upstreams_protocol_nor_left_out_without_thinking() -> None:
    said = {"a": 1}
    assert fitted(said, Traits(fill={"b": 1}, drop_thinking=("a",)), print, own=True) is said


SAID = {
    "model": "m",
    "messages": [],
    "tools": [],
    "temperature": 0.5,
    "max_tokens": 9,
    "top_p": 1,
    "reasoning_effort": "low",
}
NO_TEMPERATURE = {key: value for key, value in SAID.items() if key != "temperature"}

ERRORS: list[tuple[int, str, dict[str, Any] | None]] = [
    # (status, the upstream's error, what is sent once more)
    (
        400,
        '{"error": {"message": "Unsupported value: \'temperature\' does not support 0.5 with this model.", '
        '"type": "invalid_request_error", "param": "temperature", "code": "unsupported_value"}}',
        NO_TEMPERATURE,
    ),
    (
        400,
        '{"error": {"message": "Unsupported parameter: \'max_tokens\' is not supported with this model. '
        'Use \'max_completion_tokens\' instead.", "param": "max_tokens", "code": "unsupported_parameter"}}',
        {("max_completion_tokens" if key == "max_tokens" else key): value for key, value in SAID.items()},
    ),
    (400, '{"error": {"message": "no such thing", "param": "temperature", "code": "unknown_parameter"}}', NO_TEMPERATURE),
    (400, '{"error": {"message": "Unrecognized request argument supplied: temperature"}}', NO_TEMPERATURE),
    (400, '{"error": {"message": "property \'temperature\' is unsupported, did you mean \'tools\'?"}}', NO_TEMPERATURE),
    (
        422,
        '{"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], '
        '"msg": "Extra inputs are not permitted", "input": 0.5}]}, "type": "invalid_request_error", "code": null}',
        NO_TEMPERATURE,
    ),
    (422, '{"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "Extra"}]}', NO_TEMPERATURE),
    (
        422,
        '{"message": "{\\"detail\\":[{\\"type\\":\\"extra_forbidden\\",\\"loc\\":[\\"body\\",\\"temperature\\"]}]}"}',
        NO_TEMPERATURE,
    ),
    (
        400,
        '{"code": "invalid-argument", "error": "Model grok-x does not support parameter reasoningEffort."}',
        {key: value for key, value in SAID.items() if key != "reasoning_effort"},
    ),
    # what is not to be mended
    (400, '{"error": {"message": "Unsupported parameter: \'tools\' is not supported with this model."}}', None),
    (400, '{"error": {"message": "Unsupported parameter: \'seed\' is not supported with this model."}}', None),
    (400, '{"error": {"message": "\'messages.1\' : property \'reasoning_content\' is unsupported"}}', None),
    (400, '{"error": {"message": "temperature is too hot", "param": "temperature", "code": "invalid_value"}}', None),
    (429, '{"error": {"message": "Unsupported parameter: \'temperature\'"}}', None),
    (500, '{"error": {"message": "Unsupported parameter: \'temperature\'"}}', None),
    (400, "Bad Request", None),
    (400, "", None),
]


@pytest.mark.parametrize(("status", "body", "again"), ERRORS)
def test_what_is_sent_once_more(status: int, body: str, again: dict[str, Any] | None) -> None:
    error = read_error("openai", status, [], body.encode())
    notes: list[str] = []
    said = copy.deepcopy(SAID)
    assert repaired(said, error, ANY, notes.append) == again
    assert said == SAID
    assert bool(notes) == (again is not None)


def test_f231_a_failed_generation_of_a_call_is_asked_for_again() -> None:
    body = b'{"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "failed_generation": "<f>"}}'
    error = read_error("openai", 400, [], body)
    assert repaired(SAID, error, GROQ, print) == SAID
    assert repaired(SAID, error, ANY, print) is None


def test_without_rows_nothing_is_repaired() -> None:
    error = UpstreamError("Unsupported parameter: 'temperature'", status=400)
    assert repaired(SAID, error, Traits(), print) is None


def test_what_a_request_is_about_is_no_knob() -> None:
    assert not KNOBS & {
        "model",
        "messages",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "response_format",
        "text",
        "stream",
    }


def test_a_long_error_is_searched_in_no_time() -> None:
    error = UpstreamError("extra_forbidden loc body " * 400_000, status=400, raw={"a": '"loc":' * 1_000_000})
    assert repaired(SAID, error, ANY, print) is None
