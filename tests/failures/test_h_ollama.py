"""Field failures, section H: Ollama."""

from __future__ import annotations

import json

import pytest

from ccproxy.actions import Accept, Dial
from ccproxy.app import App
from ccproxy.config import loads
from ccproxy.errors import Unsupported
from ccproxy.model import Tool
from tests.app.heads import head_of
from tests.failures.wire import Doc, answered, asked, context_for, deltas, joined_calls, lines, reasons, streamed
from tests.fakes.meaning import PIXEL, SCENARIOS
from tests.fakes.wires import ANSWERS, STREAMS

F186_CALL = '{"name": "look", "arguments": {"at": 1}}'
F186_TEXTS = [
    (F186_CALL, True, True),
    (f" {F186_CALL}\n", True, True),
    (F186_CALL, False, False),
    (F186_CALL.replace("look", "listen"), True, False),
    (f"{F186_CALL} is how I would call it.", True, False),
    (F186_CALL[:-1], True, False),
]


@pytest.mark.parametrize(("text", "compat", "called"), F186_TEXTS)
def test_f186_json_is_a_call_only_in_compat_mode_when_all_of_it_is_one_of_a_declared_tool(
    text: str, compat: bool, called: bool
) -> None:
    tool = Tool("look", "", {"type": "object", "properties": {"at": {"type": "integer"}}})
    context = context_for("openai", "ollama", compat=compat, written_tools=[tool])
    chunk = {"model": "o", "created_at": "2025-01-01T00:00:00Z"}
    halves = [
        {**chunk, "message": {"role": "assistant", "content": half}, "done": False} for half in (text[:20], text[20:])
    ]
    events = streamed("openai", "ollama", lines(*halves, {**chunk, "done": True, "done_reason": "stop"}), context)
    content = "".join(delta.get("content") or "" for delta in deltas(events))
    calls = [call[1:] for call in joined_calls(events)]
    assert (content, calls, reasons(events)) == (
        ("", [("look", '{"at":1}')], ["tool_calls"]) if called else (text, [], ["stop"])
    )


COUNTS = {
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
}


@pytest.mark.parametrize("upstream", ["openai", "responses", "claude", "gemini"])
@pytest.mark.parametrize("scenario", ["thinking", "parallel", "length"])
def test_f187_a_chat_streams_messages_and_not_the_shape_of_generate(upstream: str, scenario: str) -> None:
    """Each line has model, created_at, message and done; the last one the reason and the counts, and only the last."""
    meaning = SCENARIOS[scenario]
    *parts, last = streamed("ollama", upstream, STREAMS[upstream](meaning))
    for line in (*parts, last):
        assert "response" not in line
        assert line["message"]["role"] == "assistant"
        assert isinstance(line["message"]["content"], str)
        assert set(line["message"]) <= {"role", "content", "thinking", "tool_calls"}
    for line in parts:
        assert (set(line), line["done"]) == ({"model", "created_at", "message", "done"}, False)
    assert set(last) == {"model", "created_at", "message", "done", "done_reason"} | COUNTS
    assert (last["done"], last["done_reason"]) == (True, "length" if scenario == "length" else "stop")
    assert (last["prompt_eval_count"], last["eval_count"]) == (meaning.input, meaning.output)
    assert "".join(line["message"]["content"] for line in parts) == meaning.text
    assert "".join(line["message"].get("thinking", "") for line in parts) == meaning.thinking
    calls = [call["function"] for line in parts for call in line["message"].get("tool_calls", [])]
    assert [(call["name"], call["arguments"]) for call in calls] == [(c.name, c.arguments) for c in meaning.calls]
    whole = answered("ollama", upstream, ANSWERS[upstream](meaning))
    assert (whole["done"], whole["message"]["content"], "response" in whole) == (True, meaning.text, False)


def test_f188_calls_without_ids_get_some() -> None:
    """Two calls of one name in one answer: ids that differ, for clients that answer by id."""
    call = {"function": {"name": "look", "arguments": {"at": 1}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call, call]}
    data = lines(
        {"model": "o", "created_at": "2025-01-01T00:00:00Z", "message": message, "done": False},
        {"model": "o", "created_at": "2025-01-01T00:00:00Z", "done": True, "done_reason": "stop"},
    )
    first, second = joined_calls(streamed("openai", "ollama", data))
    assert first[0]
    assert second[0]
    assert first[0] != second[0]


def test_f188_results_say_the_name_of_their_tool_and_images_are_bare_base64() -> None:
    """Results come in another order than their calls: each has the name of its own tool. A data URL loses its beginning; a
    URL that Ollama would have to fetch is refused, by name."""
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for i, name in enumerate(("look", "hear"))
    ]
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    body: Doc = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "see"}, picture]},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c1", "content": "heard"},
            {"role": "tool", "tool_call_id": "c0", "content": "seen"},
        ],
    }
    user, _, *results = asked("openai", "ollama", body)["messages"]
    assert (user["content"], user["images"]) == ("see", [PIXEL])
    assert [(one["role"], one["tool_name"], one["content"]) for one in results] == [
        ("tool", "look", "seen"),
        ("tool", "hear", "heard"),
    ]
    picture["image_url"] = {"url": "https://example.com/a.png"}
    with pytest.raises(Unsupported, match="image URL"):
        asked("openai", "ollama", body)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/api"])
def test_f188_a_base_url_may_end_as_the_other_apis_of_the_server_do(ending: str) -> None:
    """Users give the base URL of Ollama's OpenAI-compatible API; the path is `/api/chat` all the same."""
    address = f"http://127.0.0.1:1{ending}"
    config = f'[providers.up]\nprotocol = "ollama"\nbase_url = "{address}"\n[groups.default.models]\n"*" = "up/*"\n'
    accept = App(loads(config, {})).head(head_of("POST /v1/chat/completions"), 0.0)
    assert isinstance(accept, Accept)
    accept.life.begin(0.0)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    [dial] = [action for action in accept.life.body(json.dumps(body).encode(), 0.0) if isinstance(action, Dial)]
    assert dial.target == "/api/chat"
