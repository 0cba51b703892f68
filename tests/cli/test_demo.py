"""`ccproxy demo` as a process, and what it prints run through the shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.demo import QUESTION, curl_lines, welcome
from tests.fakes.server import free_port

URL = "http://127.0.0.1:11434"
TITLES = list(curl_lines(URL))
SAID = f"You said: {QUESTION}"


@pytest.fixture(scope="module")
def printed() -> Iterator[list[str]]:
    """What a running demo has printed, up to its last request to try."""
    arguments = [sys.executable, "-m", "ccproxy", "demo", "--fast", "--port", str(free_port())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        while lines[-1] and sum(line.startswith("curl ") for line in lines) < len(TITLES):
            lines.append(child.stdout.readline())
        try:
            yield [line.rstrip("\n") for line in lines]
        finally:
            child.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
            _, complaints = child.communicate(timeout=20)
    assert (child.returncode, complaints) == (0, "")


def documents(stream: str) -> list[Any]:
    """The JSON documents of a stream of events or of lines."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


SPOKEN = {
    "OpenAI chat completions": lambda d: [c["delta"].get("content") or "" for c in d["choices"]],
    "OpenAI Responses": lambda d: [d["delta"]] if d["type"] == "response.output_text.delta" else [],
    "Anthropic Messages": lambda d: [d["delta"]["text"]] if d["type"] == "content_block_delta" else [],
    "Gemini generateContent": lambda d: [part.get("text", "") for c in d["candidates"] for part in c["content"]["parts"]],
    "Ollama chat": lambda d: [d["message"]["content"]],
}


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed requests call curl, which is not installed")
@pytest.mark.skipif(os.name == "nt", reason="the printed requests are for a POSIX shell")
@pytest.mark.parametrize("title", TITLES)
def test_every_printed_request_streams_an_answer(title: str, printed: list[str]) -> None:
    line = printed[printed.index(f"# {title}") + 1]
    answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=True)
    pieces = [piece for document in documents(answer.stdout) for piece in SPOKEN[title](document) if piece]
    assert "".join(pieces).endswith(SAID)
    assert len(pieces) > 5


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ASKED = "What's the weather in 'Paris'? Call the tool."
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ARGUMENTS = json.dumps({"city": "Paris"})
CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
OLLAMA_CALL = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
RESULT = "sunny, 21 C"


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def turns(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [{"text": text}]}]


GEMINI = "/v1beta/models/demo:generateContent"
REQUESTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    # path, and the requests that ask for a thought, ask for a call, and hand in the call's result
    "openai": (
        "/v1/chat/completions",
        [
            {"messages": user("hi"), "reasoning_effort": "low"},
            {"messages": user(ASKED), "tools": [CHAT_TOOL]},
            {
                "messages": [
                    *user(ASKED),
                    {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
                    {"role": "tool", "tool_call_id": "c1", "content": RESULT},
                ]
            },
        ],
    ),
    "responses": (
        "/v1/responses",
        [
            {"input": "hi", "reasoning": {"effort": "low", "summary": "auto"}},
            {"input": ASKED, "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}]},
            {
                "input": [
                    *user(ASKED),
                    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": ARGUMENTS},
                    {"type": "function_call_output", "call_id": "c1", "output": RESULT},
                ]
            },
        ],
    ),
    "claude": (
        "/v1/messages",
        [
            {"messages": user("hi"), "thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"messages": user(ASKED), "tools": [{"name": "weather", "input_schema": SCHEMA}]},
            {
                "messages": [
                    *user(ASKED),
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}}],
                    },
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": RESULT}]},
                ]
            },
        ],
    ),
    "gemini": (
        GEMINI,
        [
            {
                "contents": turns("hi"),
                "generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}},
            },
            {
                "contents": turns(ASKED),
                "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": SCHEMA}]}],
            },
            {
                "contents": [
                    *turns(ASKED),
                    {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Paris"}}}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"output": RESULT}}}]},
                ]
            },
        ],
    ),
    "ollama": (
        "/api/chat",
        [
            {"messages": user("hi"), "think": True},
            {"messages": user(ASKED), "tools": [CHAT_TOOL]},
            {
                "messages": [
                    *user(ASKED),
                    {"role": "assistant", "content": "", "tool_calls": [OLLAMA_CALL]},
                    {"role": "tool", "tool_name": "weather", "content": RESULT},
                ]
            },
        ],
    ),
}


@pytest.mark.parametrize("protocol", REQUESTS)
def test_it_thinks_calls_a_tool_and_reads_the_result_in_every_protocol(protocol: str, printed: list[str]) -> None:
    path, requests = REQUESTS[protocol]
    url = printed[0].partition("listens on ")[2].partition(";")[0] + path
    about = {} if path == GEMINI else {"model": "demo", "stream": False, "max_tokens": 2000}
    answers = [httpx.post(url, json=about | request, trust_env=False).text for request in requests]
    assert "They want to see me think" in answers[0]
    assert "weather" in answers[1]
    assert re.search(r'\\?"city\\?": ?\\?"Paris\\?"', answers[1])
    assert f"The tool says: {RESULT}" in answers[2]


def test_it_says_what_it_is_and_where(printed: list[str]) -> None:
    assert printed[0].startswith("ccproxy's demo listens on http://127.0.0.1:")
    assert "Ctrl-C" in printed[0]
    assert sum(line.startswith("curl ") for line in printed) == 5


def test_every_request_has_its_title() -> None:
    lines = welcome(URL).splitlines()
    for title, line in curl_lines(URL).items():
        assert lines[lines.index(f"# {title}") + 1] == line
        assert URL in line


def test_only_this_machine_is_served() -> None:
    result = CliRunner().invoke(main, ["demo", "--host", "0.0.0.0"])
    assert result.exit_code == 1
    assert "0.0.0.0 is no loopback address" in result.stderr
    assert "no keys" in result.stderr


def test_a_taken_port_is_told_with_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["demo", "--port", str(port)])
    assert result.exit_code == 1
    assert f"port {port} on 127.0.0.1 is taken" in result.stderr
    assert f"ccproxy demo --port {port + 1}" in result.stderr


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_must_be_one(port: str) -> None:
    assert CliRunner().invoke(main, ["demo", "--port", port]).exit_code == 2
