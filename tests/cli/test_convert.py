from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ccproxy.cli import main
from ccproxy.protocols import PROTOCOLS

REQUEST = {"model": "claude-x", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hej å 🦆"}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        b"data: "
        + json.dumps({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}).encode()
        + b"\n\n"
    )


STREAM = chunk({"role": "assistant", "content": "Hel"}) + chunk({"content": "lo"}) + chunk({}, "stop") + b"data: [DONE]\n\n"


def convert(*arguments: str, data: bytes | dict[str, Any] = b"") -> Result:
    raw = json.dumps(data).encode() if isinstance(data, dict) else data
    return CliRunner().invoke(main, ["convert", *arguments], input=raw)


def test_a_request_with_its_path_and_model() -> None:
    result = convert("request", "--from", "claude", "--to", "openai", "--model", "gpt-x", data=REQUEST)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["model"] == "gpt-x"
    assert document["messages"] == [{"role": "user", "content": "Hej å 🦆"}]
    assert result.stderr.startswith("POST /chat/completions\n")


def test_a_request_with_its_tools_as_text() -> None:
    tool = {"name": "look", "description": "Looks", "input_schema": {"type": "object"}}
    result = convert("request", "--from", "claude", "--to", "openai", "--compat", data={**REQUEST, "tools": [tool]})
    document = json.loads(result.stdout)
    assert "tools" not in document
    assert '<tool name="look">' in document["messages"][0]["content"]


def test_a_request_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(REQUEST))
    result = convert("request", "--from", "claude", "--to", "ollama", str(file))
    assert json.loads(result.stdout)["model"] == "claude-x"


def test_an_answer() -> None:
    result = convert("answer", "--from", "openai", "--to", "claude", "--model", "claude-x", data=ANSWER)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["model"] == "claude-x"
    assert document["content"] == [{"type": "text", "text": "Hello"}]


def test_a_stream() -> None:
    result = convert("stream", "--from", "openai", "--to", "claude", data=STREAM)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("event: message_start\n")
    assert '"Hel"' in result.stdout
    assert result.stdout.rstrip().endswith('data: {"type":"message_stop"}')


def test_a_stream_that_breaks_off_is_an_error_in_both_places() -> None:
    result = convert("stream", "--from", "claude", "--to", "claude", data=b'event: message_start\ndata: {"type": ')
    assert result.exit_code == 1
    assert "event: error" in result.stdout
    assert result.stderr


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("request", b"{", "JSON"),
        ("request", b'{"model": "x", "messages": 5}', "messages"),
        ("answer", b"nonsense", ""),
        ("answer", b'{"error": {"message": "out of luck", "type": "server_error"}}', "out of luck"),
    ],
)
def test_bad_input_is_exit_code_1(kind: str, data: bytes, said: str) -> None:
    result = convert(kind, "--from", "openai", "--to", "claude", data=data)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("kind", ["request", "answer", "stream"])
def test_an_unknown_protocol_is_a_usage_error(kind: str) -> None:
    result = convert(kind, "--from", "opnai", "--to", "claude")
    assert result.exit_code == 2
    assert all(f"'{name}'" in result.stderr for name in PROTOCOLS)


def test_a_missing_file_is_a_usage_error() -> None:
    assert convert("request", "--from", "openai", "--to", "claude", "gone.json").exit_code == 2
