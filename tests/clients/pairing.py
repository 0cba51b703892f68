"""Whether the calls and results of a request belong together, in its protocol's terms and as strictly as the provider is.

`pairs(protocol, document)` gives (the tool's name, its result as it stands there) for each call, or fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.asking import JSONObject

Pairs = list[tuple[str, str]]


def pairs(protocol: str, document: JSONObject) -> Pairs:
    """Raises AssertionError for a call without its result, a result without its call, and arguments that are no object."""
    return _READERS[protocol](document)


def _openai(document: JSONObject) -> Pairs:
    """Chat completions: the messages that follow an assistant's tool_calls answer each of them, by id."""
    found: Pairs = []
    open_: dict[str, str] = {}
    for message in document["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_, f"a result of no call: {message}"
            found.append((open_.pop(message["tool_call_id"]), _text(message["content"])))
            continue
        assert not open_, f"calls without results: {open_}"
        for call in message.get("tool_calls") or []:
            assert call["type"] == "function"
            _is_object(json.loads(call["function"]["arguments"]))
            open_[call["id"]] = call["function"]["name"]
    assert not open_, f"calls without results: {open_}"
    return found


def _responses(document: JSONObject) -> Pairs:
    """Responses: items of their own, joined by call_id."""
    found: Pairs = []
    open_: dict[str, str] = {}
    for item in document["input"]:
        kind = item.get("type", "message")
        if kind == "function_call":
            _is_object(json.loads(item["arguments"]))
            assert item["call_id"] not in open_
            open_[item["call_id"]] = item["name"]
        elif kind == "function_call_output":
            assert item["call_id"] in open_, f"a result of no call: {item}"
            found.append((open_.pop(item["call_id"]), _text(item["output"])))
    assert not open_, f"calls without results: {open_}"
    return found


def _claude(document: JSONObject) -> Pairs:
    """Messages ("Handle tool calls"): the user's message right behind the calls begins with their results. A system message
    may stand between later turns only."""
    found: Pairs = []
    open_: dict[str, str] = {}
    for message in document["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else [{"type": "text"}]
        results = [block for block in blocks if block["type"] == "tool_result"]
        assert blocks[: len(results)] == results, "results that do not stand first"
        for block in results:
            assert block["tool_use_id"] in open_, f"a result of no call: {block}"
            found.append((open_.pop(block["tool_use_id"]), _text(block.get("content"))))
        assert not open_, f"calls without results: {open_}"
        for block in blocks:
            if block["type"] == "tool_use":
                assert message["role"] == "assistant"
                _is_object(block["input"])
                open_[block["id"]] = block["name"]
    assert not open_, f"calls without results: {open_}"
    return found


def _gemini(document: JSONObject) -> Pairs:
    """generateContent ("Function calling"): as many responses in the next turn as there were calls in the last, of the same
    names in the same order, and of the same ids where there are any."""
    found: Pairs = []
    open_: list[tuple[str | None, str]] = []
    for content in document["contents"]:
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        assert [one["name"] for one in results] == [name for _, name in open_]
        assert [one.get("id") for one in results] == [id for id, _ in open_]
        found += [(one["name"], json.dumps(one["response"])) for one in results]
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        assert not calls or content["role"] == "model"
        for call in calls:
            _is_object(call.get("args", {}))
        open_ = [(call.get("id"), call["name"]) for call in calls]
    assert not open_, f"calls without results: {open_}"
    return found


def _ollama(document: JSONObject) -> Pairs:
    """/api/chat: tool messages behind the calls, with the tool's name (docs.ollama.com, "Tool calling")."""
    found: Pairs = []
    open_: list[str] = []
    for message in document["messages"]:
        if message["role"] == "tool":
            assert open_, f"a result of no call: {message}"
            assert message["tool_name"] == open_.pop(0)
            found.append((message["tool_name"], message["content"]))
            continue
        assert not open_, f"calls without results: {open_}"
        for call in message.get("tool_calls") or []:
            _is_object(call["function"]["arguments"])
            open_.append(call["function"]["name"])
    assert not open_, f"calls without results: {open_}"
    return found


def _is_object(arguments: Any) -> None:
    assert isinstance(arguments, dict), f"arguments that are no object: {arguments!r}"


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content or [])


_READERS: dict[str, Callable[[JSONObject], Pairs]] = {
    "openai": _openai,
    "responses": _responses,
    "claude": _claude,
    "gemini": _gemini,
    "ollama": _ollama,
}
