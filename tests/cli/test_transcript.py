"""Lines of the traffic log as text."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest

from ccproxy.cli.transcript import Transcript
from ccproxy.protocols import PROTOCOLS
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import ANSWERS, ERRORS, STREAMS

BASE: dict[str, Any] = {
    "id": "0123456789",
    "time": "2001-02-03T04:05:06.789Z",
    "client": "claude",
    "operation": "chat",
    "group": "qwen",
    "model": "claude-x",
    "agent": "claude-cli/2.1 (external, cli)",
    "key": "laptop",
}
ASKED = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
UP = {"provider": "bailian", "upstream_model": "qwen3", "attempt": 1, "protocol": "openai"}


def told(*entries: dict[str, Any], full: bool = False) -> list[str]:
    """Each entry's text without colours."""
    transcript = Transcript(full=full)
    return [click.unstyle(transcript.told(BASE | entry)) for entry in entries]


def test_a_request_and_its_four_lines() -> None:
    asked, sent, came, went = told(
        {"direction": "from_client", "body": ASKED, "path": "/qwen/v1/messages", "method": "POST"},
        {"direction": "to_upstream", "body": {"model": "qwen3", "messages": [{"role": "user", "content": "hi"}]}, **UP},
        {"direction": "from_upstream", "status": 200, "stream": STREAMS["openai"](SCENARIOS["tool"]).decode(), **UP},
        {"direction": "to_client", "status": 200, "stream": STREAMS["claude"](SCENARIOS["tool"]).decode(), "seconds": 1.5},
    )
    head, *rows = asked.splitlines()
    assert head.startswith("2001-02-0")
    assert head.endswith(" 012345 laptop claude-cli/2.1 asks qwen for claude-x  claude")
    assert rows == ["  user      hi", "  settings  max_tokens 9"]
    assert sent.splitlines()[0].endswith(" 012345 → bailian/qwen3  openai")
    assert sent.splitlines()[1:] == ["  user      hi"]
    assert came.splitlines()[0].endswith("← bailian/qwen3  openai, 200")
    assert came.splitlines()[1].startswith('  call      get_weather {"city":"Zürich"')
    assert came.splitlines()[2:] == ["  finish    tool_calls", "  tokens    21 in, 9 out"]
    assert went.splitlines()[0].endswith("laptop claude-cli/2.1 gets 200  claude, 1.50 s")
    assert went.splitlines()[1:] == ["            (the same)"]


@pytest.mark.parametrize("scenario", ["text", "tool", "parallel", "thinking", "length"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_answers_of_every_protocol(protocol: str, scenario: str) -> None:
    meaning = SCENARIOS[scenario]
    entry = {"direction": "to_client", "client": protocol, "status": 200}
    stream, whole = told(
        {**entry, "stream": STREAMS[protocol](meaning).decode()},
        {**entry, "body": ANSWERS[protocol](meaning), "id": "other"},
    )
    for text in (stream, whole):
        assert all(line in text for line in [*meaning.text.splitlines(), *meaning.thinking.splitlines()])
        assert all(f"call      {call.name} " in text for call in meaning.calls)
        assert f"finish    {meaning.finish}" in text
        assert "21 in" in text


def test_an_array_of_gemini_is_a_stream() -> None:
    pieces = STREAMS["gemini"](SCENARIOS["text"]).decode().split("data: ")
    array = f"[{','.join(filter(None, map(str.strip, pieces)))}]"
    (text,) = told({"direction": "to_client", "client": "gemini", "status": 200, "stream": array})
    assert "Grüezi!" in text


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_are_their_message(protocol: str) -> None:
    document = ERRORS[protocol](429)
    (text,) = told({"direction": "to_client", "client": protocol, "status": 429, "body": document})
    _, row = text.splitlines()
    assert row.startswith("  error     ")
    assert "{" not in row
    (text,) = told({"direction": "to_client", "client": "", "status": 404, "body": {"error": {"message": "no route"}}})
    assert text.splitlines()[1] == "  error     no route"


def test_an_error_is_told_once() -> None:
    entry = {"direction": "to_client", "status": 502, "error": "reset", "body": {"error": {"message": "reset"}}}
    assert told(entry)[0].count("reset") == 1


def test_a_stream_that_is_cut_or_left_shows_what_there_is() -> None:
    stream = STREAMS["openai"](SCENARIOS["text"]).decode()[:600]
    cut, left, broken = told(
        {"direction": "from_upstream", "status": 200, "stream": stream, "cut": 12345, **UP},
        {"direction": "to_client", "client": "openai", "status": 200, "stream": stream, "cancelled": True, "id": "x"},
        {"direction": "from_upstream", "status": 200, "stream": stream, "error": "reset", "id": "y", **UP},
    )
    assert "cut       12,345 bytes are left out" in cut
    assert "the client has left" in left
    assert "error     reset" in broken
    for text in (cut, left, broken):
        assert "Grüezi" in text
        assert "finish" not in text


UNREADABLE: list[dict[str, Any]] = [
    {"direction": "from_client", "body": {"model": "x"}},
    {"direction": "from_client", "body": [1, "x"]},
    {"direction": "from_client", "text": "x{"},
    {"direction": "from_client", "client": "", "operation": "", "body": {"x": 1}},
    {"direction": "to_client", "operation": "models", "body": {"data": ["x"]}},
    {"direction": "to_client", "status": 200, "body": {"x": 1}},
    {"direction": "to_client", "status": 200, "stream": "x\n\n"},
    {"direction": "to_client", "status": 200, "text": "x"},
    {"direction": "to_client", "client": "nobody", "status": 200, "stream": "x"},
]


@pytest.mark.parametrize("entry", UNREADABLE)
def test_what_no_reader_reads_is_shown_as_it_is(entry: dict[str, Any]) -> None:
    (text,) = told(entry)
    assert "x" in text.splitlines()[1]


def test_the_other_operations() -> None:
    (count,) = told({"direction": "from_client", "operation": "count", "body": ASKED})
    assert (count.splitlines()[0].endswith("asks qwen for claude-x (count)  claude"), "user      hi" in count) == (
        True,
        True,
    )
    body = {"model": "m", "input": ["one", "two"]}
    (vectors,) = told({"direction": "from_client", "client": "openai", "operation": "embeddings", "body": body})
    assert vectors.splitlines()[1:] == ["  text      one", "  text      two"]
    (head, *_) = told({"direction": "from_client", "model": "", "method": "GET", "path": "/v1/models", "agent": ""})
    assert "laptop asks GET /v1/models" in head
    body = {"model": "m", "prompt": "hi", "system": "s"}
    (generate,) = told({"direction": "from_client", "client": "ollama", "path": "/api/generate", "body": body})
    assert "user      hi" in generate


def test_everything_is_asked_for() -> None:
    entry = {"direction": "from_client", "method": "POST", "path": "/v1/messages", "headers": {"a": "b"}, "body": ASKED}
    (text,) = told(entry, full=True)
    assert text.splitlines()[1:3] == ["  to        POST /v1/messages", "  headers   a: b"]


def test_attempts_notes_and_gaps() -> None:
    again, went, lost = told(
        {"direction": "to_upstream", **UP, "attempt": 2, "provider_key": 3},
        {"direction": "to_client", "status": 200, "failed": ["up/x: 500"], "notes": ["top_k: left out"]},
        {"direction": "lost", "lines": 7},
    )
    assert again.endswith("→ bailian/qwen3  openai, attempt 2, key 3")
    assert went.splitlines()[1:] == ["  failed    up/x: 500", "  note      top_k: left out"]
    assert lost.endswith("7 lines are missing here")
    assert told({"direction": "odd", "time": "never"})[0].startswith("never 012345 odd")


def test_no_text_steers_a_terminal() -> None:
    evil = "a\x1b[2Jb\x9bc\rd\te"
    body = {**ASKED, "system": evil, "messages": [{"role": "user", "content": [{"type": "text", "text": evil}]}]}
    transcript = Transcript(full=True)
    text = transcript.told(BASE | {"direction": "from_client", "agent": evil, "body": json.loads(json.dumps(body))})
    assert {character for character in click.unstyle(text) if not character.isprintable()} <= {"\n", "\t"}
    assert "a\\x1b[2Jb\\x9bc\\rd\te" in click.unstyle(text)


def test_only_so_many_requests_are_remembered() -> None:
    transcript = Transcript(full=False)
    for number in range(1000):
        transcript.told(BASE | {"id": f"{number}", "direction": "from_client", "body": ASKED})
    assert repr(transcript) == "<Transcript <Teller short> requests=128>"
