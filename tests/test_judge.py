"""The judge: our own streams and every recorded answer and stream, through a real ccproxy process, as each protocol's
official SDK hears it.

What the SDK understood (text, thinking, tool names and arguments, finish, usage) is compared with what the recording says,
which `fakes/recorded.py` reads without ccproxy's code; on the same protocol, where vendors' own spellings pass, with
what the SDK hears from the upstream itself. A 5x5 table of the cases that passed is printed at the end of a run.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clients import CLIENTS
from tests.fakes.meaning import Meaning
from tests.fakes.own import DATA, NOT_JUDGED, STREAMS, own_streams
from tests.fakes.recorded import meaning_of
from tests.fakes.server import Asked, Scripted, Upstream, ccproxy_process, config_for, free_port
from tests.fakes.wires import CONTENT_TYPES
from tests.tools import recorded, recordings

PROTOCOLS = {
    "openai-chat": "openai",
    "openai-responses": "responses",
    "claude": "claude",
    "gemini": "gemini",
    "ollama": "ollama",
}

NO_CHAT = re.compile(r"models-list|count-tokens")
"""Recorded documents that are no answers."""

FINISH = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "pause_turn", "eos"), "stop"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(("content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT", "RECITATION"), "filter"),
    "length": "length",
}
"""Each protocol's words for the ends that all can tell apart."""


def _no_filter(said: dict[str, Any]) -> None:
    said["finish"] = "stop" if said["finish"] == "filter" else said["finish"]


def _stand_in(said: dict[str, Any]) -> None:
    said["text"] = re.sub(r"\[\w+ left out: [^\]]*\]", "", said["text"])


CANNOT_HOLD: dict[str, list[tuple[str, Callable[[dict[str, Any]], None]]]] = {
    "ollama": [
        (
            "there is no reason for a filtered answer (docs.ollama.com, API: done_reason is stop, length, load, unload)",
            _no_filter,
        ),
        ("an answer has no pictures; a text says that one was left out", _stand_in),
    ],
    "claude": [("an answer has no pictures; a text says that one was left out", _stand_in)],
}
"""Client -> what its protocol has no place for, and how a comparison allows for it."""

UNCOUNTED = "an upstream that counts nothing is estimated in the answers of other protocols (F094), and the log says so"


SEVERAL = {
    "azure-gpt-5-1-codex-max-parallel-tools-thinking-encrypted-reasoning-stream": b"response.created",
    "anthropic-claude-sonnet-4-5-parallel-tools-tool-search-stream": b"message_start",
}
"""Recordings that hold several answers one after another -> the event that begins one. Each answer is a case of its own."""

SDK_CANNOT = {
    ("openai-responses--openai-gpt-5-image-out-stream", "gemini"): "the source project cut the picture, and its base64",
    ("openai-responses--openai-gpt-5-6-terra-responses-custom-tool-call-streaming", "openai"): (
        "the SDK's stream helper knows no call of a custom tool, which this upstream makes though the client has none"
    ),
}
"""(recording, client) -> why that SDK cannot read it, whoever writes the answer."""


def _cases() -> list[Any]:
    found = []
    for part in ("stream", "response"):
        for param in recordings(*PROTOCOLS, part=part):
            case = param.values[0]
            if case is None or not NO_CHAT.search(case["name"]):
                found += [
                    pytest.param(one, part, id=f"{param.id}{one['answer'] if one else ''}-{part}", marks=param.marks)
                    for one in _answers(case, part)
                ]
    return found + [
        pytest.param({**p.values[0], "answer": ""}, "stream", id=f"{p.id}-stream") for p in own_streams(*PROTOCOLS)
    ]


def _answers(case: dict[str, Any] | None, part: str) -> list[Any]:
    """The case; or one for each answer that its recording holds."""
    if case is None:
        return [None]
    count = len(_split(case, part))
    return [{**case, "answer": f"-{number}" if count > 1 else ""} for number in range(count)]


def _split(case: dict[str, Any], part: str) -> list[bytes]:
    body = recorded(case, part)
    begins = SEVERAL.get(case["name"])
    if begins is None or part != "stream":
        return [body]
    places = [at.start() for at in re.finditer(rb"event: ?" + re.escape(begins) + rb"\r?\n", body)]
    return [body[a:b] for a, b in pairwise([*places, len(body)])]


def body_of(case: dict[str, Any], part: str) -> bytes:
    """The bytes of the answer."""
    pieces = _split(case, part)
    return pieces[int(case["answer"][1:] or 0)] if case["answer"] else pieces[0]


CASES = _cases()
ACROSS = [
    pytest.param(*param.values, client, id=f"{param.id}-{client}", marks=param.marks)
    for param in CASES
    for client in CLIENTS
]


def name_of(case: dict[str, Any]) -> str:
    """Names alone occur in two folders."""
    return f"{case['dir']}--{case['name']}{case['answer']}"


def _script(asked: Asked, model: str) -> Scripted:
    case, part = next(p.values for p in CASES if p.values[0] and f"{name_of(p.values[0])}--{p.values[1]}" == model)
    body = body_of(case, part)
    if part == "response" or case.get("stream_format") == "json-array":
        return Scripted(200, "application/json", [body])
    pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)]
    return Scripted(200, CONTENT_TYPES[PROTOCOLS[case["dir"]]], pieces)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """ccproxy's and the upstream's."""
    folder: Path = tmp_path_factory.mktemp("ccproxy")
    port = free_port()
    with Upstream(_script).running() as upstream, ccproxy_process(config_for(upstream.port, port), folder, port) as at:
        yield at, f"http://127.0.0.1:{upstream.port}"


def judged(meaning: Meaning, client: str) -> dict[str, Any]:
    """What is compared. Where several thoughts stand in one answer, protocols part them with different white space."""
    said = meaning.said()
    said["finish"] = FINISH.get(said["finish"], said["finish"])
    said["thinking"] = "".join(said["thinking"].split())
    for _, allow in CANNOT_HOLD.get(client, ()):
        allow(said)
    return said


@pytest.mark.parametrize(("case", "part", "client"), ACROSS)
def test_the_client_hears_what_the_recording_says(
    case: dict[str, Any],
    part: str,
    client: str,
    addresses: tuple[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    speaks = PROTOCOLS[case["dir"]]
    model, ccproxy, upstream = f"{name_of(case)}--{part}", *addresses
    if reason := SDK_CANNOT.get((name_of(case), client)):
        pytest.xfail(reason)
    record_property("judged", f"{client} {speaks}")
    if client == speaks and case.get("stream_format") != "json-array":
        direct = _heard(client, f"{upstream}/{speaks}", model, part)
        assert _heard(client, f"{ccproxy}/to-{speaks}", model, part) == direct
        return
    said = meaning_of(speaks, body_of(case, part), part == "stream")
    heard = CLIENTS[client](f"{ccproxy}/to-{speaks}", model, part == "stream")
    if not said.input and not said.output:
        said.input, said.output = heard.input, heard.output  # see UNCOUNTED
    assert judged(heard, client) == judged(said, client)


def _heard(client: str, address: str, model: str, part: str) -> Any:
    """What the SDK understood, or which error of its own it raised: some vendors' streams are none to the official SDK."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydantic's, about vendors' additions
            return judged(CLIENTS[client](address, model, part == "stream"), client)
    except Exception as error:
        return type(error)


def test_each_of_our_own_streams_is_judged_or_has_a_reason() -> None:
    ours = {path.relative_to(DATA).as_posix() for path in DATA.glob("*/*") if path.suffix in (".sse", ".ndjson", ".txt")}
    judged_ones = {name for names in STREAMS.values() for name in names}
    assert judged_ones.isdisjoint(NOT_JUDGED)
    assert judged_ones | NOT_JUDGED.keys() == ours
    assert all(NOT_JUDGED.values())
