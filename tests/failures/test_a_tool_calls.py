"""Field failures, section A: tool calls, in pieces and in the history."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ccproxy import RequestError, convert_request
from ccproxy.model import Target
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.failures.wire import (
    CLIENTS,
    Doc,
    answered,
    asked,
    blocks,
    call,
    chunk,
    context_for,
    deltas,
    heard_calls,
    heard_finish,
    heard_ids,
    heard_text,
    joined_calls,
    lines,
    named,
    openai_stream,
    sse,
    streamed,
)

QUESTION = {"role": "user", "content": "?"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def openai_history(*calls: tuple[str, str, str], results: bool = True) -> Doc:
    """An OpenAI request of which the last turn answered these calls (id, name, arguments)."""
    entries = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}} for id, name, arguments in calls
    ]
    answers = [{"role": "tool", "tool_call_id": id, "content": f"result of {name}"} for id, name, _ in calls]
    assistant = {"role": "assistant", "content": None, "tool_calls": entries}
    return {"model": "m", "messages": [QUESTION, assistant, *(answers if results else [])]}


def claude_history(input: Any, id: str = "toolu_1") -> Doc:
    """A Claude request of which the last turn answered one call with this input."""
    use = {"type": "tool_use", "id": id, "name": "f", "input": input}
    result = {"type": "tool_result", "tool_use_id": id, "content": "fine"}
    turns = [QUESTION, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return {"model": "m", "max_tokens": 9, "messages": turns}


def uses(document: Doc) -> list[Doc]:
    """The tool_use blocks of a Claude request."""
    found = [block for turn in document["messages"] if isinstance(turn["content"], list) for block in turn["content"]]
    return [block for block in found if block["type"] == "tool_use"]


def test_f002_names_that_gemini_refuses_come_back_as_the_client_said_them() -> None:
    """Namespaced, free-form, very long and oddly spelled tools of a Responses client, two that clean to one spelling."""
    long = "very_" * 40
    functions = ["do it", "do/it", "做", long, "9lives"]
    tools = [
        *({"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in functions),
        {"type": "custom", "name": "patch", "description": "free text"},
        {
            "type": "namespace",
            "name": "mcp",
            "description": "d",
            "tools": [{"type": "function", "name": "read", "parameters": SCHEMA}],
        },
    ]
    body = {"model": "m", "input": "?", "tools": tools, "stream": True}
    converted = convert_request(body, source="responses", target="gemini", model="gemini-2.5-pro")
    wire = [one["name"] for one in json.loads(converted.body)["tools"][0]["functionDeclarations"]]
    assert len(set(wire)) == len(tools)
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}", name) for name in wire)
    calls = [{"functionCall": {"name": name, "args": {"input": "x"}}} for name in wire]
    answer = sse({"candidates": [{"content": {"role": "model", "parts": calls}, "finishReason": "STOP"}]})
    done = [
        e["item"] for e in streamed("responses", "gemini", answer, converted.context) if e["type"].endswith("item.done")
    ]
    assert [(item["type"], item["name"]) for item in done] == [
        *(("function_call", name) for name in functions),
        ("custom_tool_call", "patch"),
        ("function_call", "read"),
    ]
    assert done[5]["input"] == "x"
    assert [item.get("namespace") for item in done] == [*[None] * 6, "mcp"]


def test_f003_arguments_for_an_item_that_was_never_announced_go_to_the_open_call() -> None:
    """Deltas whose item_id no output_item.added has named."""
    item = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "f",
        "arguments": "",
        "status": "in_progress",
    }
    stray = {"type": "response.function_call_arguments.delta", "item_id": "other"}
    data = named(
        {"type": "response.created", "response": {"id": "r", "model": "up", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {**stray, "delta": '{"a"'},
        {**stray, "delta": ":1}"},
        {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
    )
    assert heard_calls("claude", streamed("claude", "responses", data)) == [("f", {"a": 1})]


def test_f004_item_ids_are_short_legal_and_still_different() -> None:
    """Item ids that are too long, or clean to the same spelling; the same ones in every turn."""
    ids = ["msg_" + "x" * 80, "msg_" + "x" * 80 + "y", "msg.1", "msg:1", "msg_fine"]
    items = [
        {"type": "message", "role": "assistant", "id": id, "status": "completed", "content": [_said("hi")]} for id in ids
    ]
    protocol, target = PROTOCOLS["responses"].chat, Target(protocol="responses", model="m")
    twice = []
    for _ in range(2):
        context = context_for("responses", "responses")
        request = protocol.read_request({"model": "m", "input": items}, context, Call())
        twice.append([item["id"] for item in protocol.write_request(request, target, context)["input"]])
    assert twice[0] == twice[1]
    assert len(set(twice[0])) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) for id in twice[0])
    assert twice[0][-1] == "msg_fine"
    calls = asked("openai", "responses", openai_history((ids[0], "f", "{}"), (ids[1], "f", "{}"), (ids[2], "f", "{}")))
    made = [item["call_id"] for item in calls["input"] if item["type"] == "function_call"]
    assert made == [item["call_id"] for item in calls["input"] if item["type"] == "function_call_output"]
    assert len(set(made)) == 3
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) for id in made)


def _said(text: str) -> Doc:
    return {"type": "output_text", "text": text, "annotations": []}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [call(0, "c1", "", '{"a"'), call(0, None, "f", ":1}")],
            [("f", {"a": 1})],
            id="F006-the-name-comes-after-its-id",
        ),
        pytest.param(
            [call(0, "c1", "", '{"a":1}'), call(0, None, "", "")],
            [("unknown_tool", {"a": 1})],
            id="F006-no-name-at-all",
        ),
        pytest.param([call(0, "", "", ""), call(0, "c1", "f", "{}")], [("f", {})], id="F006-an-empty-signal-first"),
        pytest.param([call(0, "c1", "f", "{}"), call(1, "", "", "")], [("f", {})], id="F006-an-empty-signal-behind"),
        pytest.param(
            [call(0, None, None, '{"a"'), call(0, "c1", "f", ":1}")],
            [("f", {"a": 1})],
            id="F039-arguments-before-the-name",
        ),
        pytest.param(
            [
                call(0, "c1", "f", "", type="function"),
                call(1, "c2", "g", "", type="function"),
                call(0, arguments='{"a"'),
                call(1, arguments='{"b"'),
                call(0, arguments=":1}"),
                call(1, arguments=":2}"),
            ],
            [("f", {"a": 1}), ("g", {"b": 2})],
            id="F032-arguments-that-interleave",
        ),
        pytest.param(
            [
                chunk(
                    tool_calls=[
                        {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                        {"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"b":2}'}},
                    ]
                )
            ],
            [("f", {"a": 1}), ("g", {"b": 2})],
            id="F016-two-calls-in-one-chunk",
        ),
        pytest.param(
            [call(0, "c1", "f", '{"a":'), call(0, arguments='{"a":1,'), call(0, arguments='{"a":1,"b":"{"}')],
            [("f", {"a": 1, "b": "{"})],
            id="F015-all-so-far-each-time",
        ),
        pytest.param(
            [call(0, "c1", "f", '{"a":'), call(0, arguments="1}"), call(0, "c1", "f", '{"a":1}')],
            [("f", {"a": 1})],
            id="F015-all-of-it-again-at-the-end",
        ),
        pytest.param(
            [call(0, "c1", "f", '{"a":"x'), call(0, arguments="x"), call(0, arguments='x"}')],
            [("f", {"a": "xxx"})],
            id="F015-repeated-letters-are-no-repetition",
        ),
        pytest.param(
            [call(0, "c1", "f", "", type=None), call(0, arguments='{"a":1}', type=None)],
            [("f", {"a": 1})],
            id="F038-type-null",
        ),
        pytest.param([call(0, "c1", "f", '{"a":1}')], [("f", {"a": 1})], id="F038-no-type"),
    ],
)
@pytest.mark.parametrize("client", CLIENTS)
def test_calls_of_sloppy_openai_upstreams_arrive_whole(client: str, chunks: list[Doc], expected: list[Any]) -> None:
    """What vendors make of the pieces of a call; every client hears each call once, with its name and all its arguments."""
    events = streamed(client, "openai", openai_stream(*chunks, finish="tool_calls"))
    assert heard_calls(client, events) == expected
    assert all(heard_ids(client, events))


@pytest.mark.parametrize(
    ("input", "arguments"),
    [
        pytest.param("say", '"say"', id="F007-text"),
        pytest.param('{"a": 1}', '{"a": 1}', id="F007-text-that-is-json"),
        pytest.param([1, 2], "[1,2]", id="F007-a-list"),
        pytest.param(None, "{}", id="F007-null"),
    ],
)
@pytest.mark.parametrize("target", ["openai", "responses"])
def test_a_claude_call_whose_input_is_no_object_keeps_it_as_json(target: str, input: Any, arguments: str) -> None:
    """F007: arguments are JSON text whatever the input was, and nothing of it is lost."""
    document = asked("claude", target, claude_history(input))
    if target == "openai":
        said = next(m for m in document["messages"] if m["role"] == "assistant")["tool_calls"][0]["function"]["arguments"]
    else:
        said = next(item for item in document["input"] if item["type"] == "function_call")["arguments"]
    assert json.loads(said) == json.loads(arguments)


@pytest.mark.parametrize("id", ["call.1", "functions.f:0", "a b|c", "", "é"])
def test_f008_ids_that_claude_refuses_are_cleaned_alike_on_call_and_result(id: str) -> None:
    """Ids with characters outside of Claude's alphabet, and an empty one; the same in every turn, and not two alike."""
    body = openai_history((id, "f", "{}"), ("call_1", "g", "{}"))
    document = asked("openai", "claude", body)
    made = [block["id"] for block in uses(document)]
    results = [block["tool_use_id"] for block in document["messages"][-1]["content"]]
    assert made == results
    assert len(set(made)) == 2
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in made)
    assert made == [block["id"] for block in uses(asked("openai", "claude", body))]


@pytest.mark.parametrize("source", ["gemini", "ollama"])
def test_f008_ids_are_made_for_claude_where_the_client_has_none(source: str) -> None:
    """Gemini's and Ollama's calls may come without an id."""
    document = asked(source, "claude", _without_ids(source), **({"stream": False} if source == "gemini" else {}))
    made = [block["id"] for block in uses(document)]
    assert len(set(made)) == 2
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in made)
    assert made == [block["tool_use_id"] for block in document["messages"][-1]["content"]]


def _without_ids(source: str) -> Doc:
    if source == "gemini":
        call, result = (
            {"functionCall": {"name": "f", "args": {}}},
            {"functionResponse": {"name": "f", "response": {"a": 1}}},
        )
        contents = [("user", [{"text": "?"}]), ("model", [call, call]), ("user", [result, result])]
        return {"contents": [{"role": role, "parts": parts} for role, parts in contents]}
    calls = [{"function": {"name": "f", "arguments": {}}}] * 2
    results = [{"role": "tool", "tool_name": "f", "content": "1"}] * 2
    return {"model": "m", "messages": [QUESTION, {"role": "assistant", "content": "", "tool_calls": calls}, *results]}


def test_f010_an_empty_list_of_calls_beside_the_text_says_nothing() -> None:
    """vLLM sends `tool_calls: []` with each piece of text."""
    data = openai_stream(chunk(content="Hel", tool_calls=[]), chunk(content="lo", tool_calls=[]))
    assert blocks(streamed("claude", "openai", data)) == [{"type": "text", "text": "Hello"}]


CLAUDE_CALLS = named(
    {"type": "message_start", "message": {"id": "m", "model": "up", "content": [], "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Two."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    },
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)


def entries() -> list[Doc]:
    events = streamed("openai", "claude", CLAUDE_CALLS)
    return [entry for delta in deltas(events) for entry in delta.get("tool_calls", [])]


def test_f011_every_piece_of_a_call_has_its_index() -> None:
    """Strict clients drop pieces without one."""
    assert all(isinstance(entry["index"], int) for entry in entries())


def test_f012_id_type_and_name_come_once() -> None:
    """Clients that add up strings would double them."""
    for number, (id, name) in enumerate([("t1", "f"), ("t2", "g")]):
        first, *others = [entry for entry in entries() if entry["index"] == number]
        assert (first["id"], first["type"], first["function"]["name"]) == (id, "function", name)
        assert others
        assert all("id" not in one and "type" not in one and "name" not in one["function"] for one in others)


@pytest.mark.parametrize("client", CLIENTS)
def test_f014_calls_without_an_id_get_one_that_stays(client: str) -> None:
    """GLM and some vLLM name a call without giving it an id."""
    data = openai_stream(
        call(0, None, "f", '{"a"'), call(0, arguments=":1}"), call(1, None, "f", "{}"), finish="tool_calls"
    )
    events = streamed(client, "openai", data)
    ids = heard_ids(client, events)
    assert all(isinstance(id, str) and id for id in ids)
    assert len(set(ids)) == 2
    assert heard_calls(client, events) == [("f", {"a": 1}), ("f", {})]


def test_f018_calls_are_counted_apart_from_blocks() -> None:
    """The first call is number 0, though a text block stands before it."""
    assert [entry["index"] for entry in entries() if "id" in entry] == [0, 1]


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f019_tools_that_claude_adds_within_the_conversation_stay_with_claude(target: str) -> None:
    """Blocks of the mid-conversation-tools beta in the history are left out for others, with a note; the words stay."""
    reference = {"type": "tool_reference", "name": "f"}
    added = [{"type": "tool_addition", "tool": reference}, {"type": "text", "text": "more tools"}]
    removed = [{"type": "tool_removal", "tool": reference}]
    turns = [QUESTION, {"role": "system", "content": added}, {"role": "system", "content": removed}, QUESTION]
    body = {"model": "m", "max_tokens": 9, "messages": turns}
    converted = convert_request(body, source="claude", target=target)
    assert b"tool_addition" not in converted.body
    assert b"tool_removal" not in converted.body
    assert b"tool_reference" not in converted.body
    assert b"more tools" in converted.body
    assert any("claude" in note for note in converted.notes)


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_tools_that_a_search_of_the_clients_own_found_are_named_to_others(target: str) -> None:
    """Claude Code answers its model's ToolSearch with references, and has the tools in the request from then on: without
    their names the model would see a search that found nothing."""
    found = [{"type": "tool_reference", "tool_name": name} for name in ("WebFetch", "NotebookEdit")]
    call = {"type": "tool_use", "id": "toolu_1", "name": "ToolSearch", "input": {"query": "web"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": found}
    tools = [{"name": "ToolSearch", "input_schema": SCHEMA}]
    turns = [QUESTION, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    body = {"model": "m", "max_tokens": 9, "messages": turns, "tools": tools}
    converted = convert_request(body, source="claude", target=target)
    assert b"WebFetch" in converted.body
    assert b"NotebookEdit" in converted.body
    assert b"tool_reference" not in converted.body
    assert not any("tool_reference" in note or "a part" in note for note in converted.notes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("eager_input_streaming", True, id="F020"),
        pytest.param("input_examples", [{"a": 1}], id="F030"),
    ],
)
@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_what_only_claude_says_of_tools_is_left_out_for_others(target: str, field: str, value: Any) -> None:
    """Extra members of a tool's definition reach no upstream that would refuse them, and stay for Claude."""
    tool = {"name": "f", "description": "d", "input_schema": SCHEMA, field: value}
    body = {"model": "m", "max_tokens": 9, "messages": [QUESTION], "tools": [tool]}
    converted = convert_request(body, source="claude", target=target)
    assert field.encode() not in converted.body
    assert b'"f"' in converted.body
    assert asked("claude", "claude", body)["tools"] == [tool]


def test_f022_other_candidates_are_not_mixed_in_and_the_id_stays() -> None:
    """Only the first candidate is read, and the answer has one id though Gemini's changes from chunk to chunk."""

    def piece(index: int, text: str, id: str) -> Doc:
        return {"candidates": [{"index": index, "content": {"role": "model", "parts": [{"text": text}]}}], "responseId": id}

    end = {"candidates": [{"index": 0, "finishReason": "STOP"}], "responseId": "r4"}
    events = streamed("openai", "gemini", sse(piece(0, "A", "r1"), piece(1, "B", "r2"), piece(0, "C", "r3"), end))
    assert heard_text("openai", events) == "AC"
    assert len({event["id"] for event in events}) == 1
    with pytest.raises(RequestError, match="n cannot be expressed in the gemini protocol"):
        convert_request({"model": "m", "messages": [QUESTION], "n": 2}, source="openai", target="gemini")


def test_f023_the_empty_input_that_begins_a_claude_call_is_no_argument() -> None:
    """`input: {}` in content_block_start is sent only where nothing else comes."""
    assert joined_calls(streamed("openai", "claude", CLAUDE_CALLS)) == [("t1", "f", '{"a":1}'), ("t2", "g", "{}")]


@pytest.mark.parametrize(
    ("arguments", "input"),
    [
        pytest.param("", {}, id="F024-nothing"),
        pytest.param("  ", {}, id="F024-blanks"),
        pytest.param('{"a": "cut o', {"raw": '{"a": "cut o'}, id="F036-cut-off"),
        pytest.param("[1, 2]", {"raw": "[1, 2]"}, id="F036-a-list"),
        pytest.param('"words"', {"raw": '"words"'}, id="F036-a-string"),
        pytest.param("null", {}, id="F036-null"),
    ],
)
def test_arguments_in_the_history_become_an_object_for_claude(arguments: str, input: Doc) -> None:
    """Claude refuses an input that is no object; nothing that the model said is lost."""
    assert uses(asked("openai", "claude", openai_history(("c1", "f", arguments))))[0]["input"] == input


@pytest.mark.parametrize("target", ["openai", "responses"])
def test_f024_an_empty_input_becomes_an_empty_object_of_text(target: str) -> None:
    """The other way: never the empty string."""
    document = asked("claude", target, claude_history({}))
    assert '"arguments":"{}"' in json.dumps(document).replace(" ", "")


def test_f026_parallel_calls_of_ollama_are_counted() -> None:
    """Ollama may give each call the index 0."""
    calls = [{"function": {"index": 0, "name": name, "arguments": {"n": name}}} for name in ("f", "g")]
    first = {"model": "up", "message": {"role": "assistant", "content": "", "tool_calls": calls[:1]}, "done": False}
    second = {"model": "up", "message": {"role": "assistant", "content": "", "tool_calls": calls[1:]}, "done": False}
    end = {"model": "up", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    events = streamed("openai", "ollama", lines(first, second, end))
    found = joined_calls(events)
    assert [(name, arguments) for _, name, arguments in found] == [("f", '{"n":"f"}'), ("g", '{"n":"g"}')]
    assert len({id for id, _, _ in found}) == 2


def test_f027_results_for_ollama_name_their_tool_and_keep_their_id() -> None:
    """OpenAI's results say the id only; Ollama pairs by name."""
    body = openai_history(("c1", "f", "{}"), ("c2", "g", "{}"))
    body["messages"][2:] = reversed(body["messages"][2:])
    document = asked("openai", "ollama", body)
    calls = [call["function"]["name"] for call in document["messages"][1]["tool_calls"]]
    results = [(m["tool_name"], m.get("tool_call_id"), m["content"]) for m in document["messages"] if m["role"] == "tool"]
    assert calls == ["f", "g"]
    assert results == [("f", "c1", "result of f"), ("g", "c2", "result of g")]


def test_f027_results_of_ollama_are_paired_by_name_and_by_id_where_there_is_one() -> None:
    """Names in another order than the calls; ids count before names."""
    calls = [{"id": id, "function": {"name": name, "arguments": {}}} for id, name in (("", "f"), ("", "g"), ("x9", "f"))]
    results = [
        {"role": "tool", "tool_name": "g", "content": "of g"},
        {"role": "tool", "tool_call_id": "x9", "content": "of the second f"},
        {"role": "tool", "tool_name": "f", "content": "of the first f"},
    ]
    turns = [QUESTION, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
    document = asked("ollama", "openai", {"model": "m", "messages": turns})
    ids = [call["id"] for call in document["messages"][1]["tool_calls"]]
    assert ids[2] == "x9"
    said = {m["tool_call_id"]: m["content"] for m in document["messages"] if m["role"] == "tool"}
    assert [said[id] for id in ids] == ["of the first f", "of g", "of the second f"]


def test_f028_blocks_of_a_thought_a_text_and_calls_count_up_one_at_a_time() -> None:
    """`blocks` asserts the order; here in all kinds of change from one to the other."""
    data = openai_stream(
        chunk(reasoning_content="hm"),
        chunk(content="so"),
        call(0, "c1", "f", "{}"),
        chunk(reasoning_content="more"),
        call(1, "c2", "g", "{}"),
        chunk(content="done"),
        finish="tool_calls",
    )
    kinds = [block["type"] for block in blocks(streamed("claude", "openai", data))]
    assert kinds == ["thinking", "text", "tool_use", "thinking", "tool_use", "text"]


@pytest.mark.parametrize("client", ["openai", "claude", "gemini"])
def test_f034_calls_wrapped_in_one_are_taken_apart(client: str) -> None:
    """The wrapper that some models put around parallel calls is unknown to the client."""
    wrapped = {"tool_uses": [{"recipient_name": f"functions.{n}", "parameters": {"n": n}} for n in ("f", "g")]}
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": "multi_tool_use.parallel", "status": "completed"}
    item["arguments"] = json.dumps(wrapped)
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}}
    piece = {
        "type": "response.function_call_arguments.delta",
        "item_id": "fc",
        "output_index": 0,
        "delta": item["arguments"],
    }
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    response = {"id": "r", "status": "completed", "output": [item]}
    begun = {"type": "response.created", "response": {"id": "r", "model": "up", "output": []}}
    events = streamed(
        client, "responses", named(begun, added, piece, done, {"type": "response.completed", "response": response})
    )
    assert heard_calls(client, events) == [("f", {"n": "f"}), ("g", {"n": "g"})]
    assert len(set(heard_ids(client, events))) == 2


@pytest.mark.parametrize("source", ["openai", "claude"])
def test_f035_other_makers_ids_do_not_go_to_gemini(source: str) -> None:
    """An endpoint that does not know the member answers 400."""
    body = openai_history(("c1", "f", "{}")) if source == "openai" else claude_history({})
    document = asked(source, "gemini", body, model="gemini-2.0-flash")
    parts = [part for content in document["contents"] for part in content["parts"]]
    call, result = (next(part[key] for part in parts if key in part) for key in ("functionCall", "functionResponse"))
    assert "id" not in call
    assert "id" not in result


def test_f035_geminis_own_id_is_said_on_call_and_response() -> None:
    """What came from Gemini goes back to it, when a policy has the request written anew too."""
    call = {"functionCall": {"id": "g7", "name": "f", "args": {}}}
    response = {"functionResponse": {"id": "g7", "name": "f", "response": {"result": "fine"}}}
    contents = [("user", [{"text": "?"}]), ("model", [call]), ("user", [response])]
    document = {"contents": [{"role": role, "parts": parts} for role, parts in contents]}
    protocol, context = PROTOCOLS["gemini"].chat, context_for("gemini", "gemini")
    request = protocol.read_request(document, context, Call(model="m", stream=False))
    written = protocol.write_request(request, Target(protocol="gemini", model="m"), context)
    assert written["contents"] == document["contents"]


@pytest.mark.parametrize("middle", ["openai", "responses", "claude"])
def test_f040_ids_survive_the_way_there_and_back(middle: str) -> None:
    """The client gets the upstream's id, and the upstream gets it back with the result."""
    upstream: dict[str, Any] = {
        "openai": {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [{"id": "id_7", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    },
                }
            ]
        },
        "responses": {
            "status": "completed",
            "output": [{"type": "function_call", "id": "fc_1", "call_id": "id_7", "name": "f", "arguments": "{}"}],
        },
        "claude": {"content": [{"type": "tool_use", "id": "id_7", "name": "f", "input": {}}], "stop_reason": "tool_use"},
    }
    message = answered("openai", middle, upstream[middle])["choices"][0]["message"]
    assert message["tool_calls"][0]["id"] == "id_7"
    result = {"role": "tool", "tool_call_id": "id_7", "content": "fine"}
    back = json.dumps(asked("openai", middle, {"model": "m", "messages": [QUESTION, message, result]}))
    assert back.count('"id_7"') == 2


def test_f016_every_call_of_a_whole_answer_arrives() -> None:
    """The same for answers that are not streamed."""
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": f"f{n}", "arguments": "{}"}} for n in range(3)]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, "tool_calls": calls},
        "finish_reason": "tool_calls",
    }
    answer = answered("claude", "openai", {"choices": [choice]})
    assert [block["name"] for block in answer["content"]] == ["f0", "f1", "f2"]
    assert answer["stop_reason"] == "tool_use"


@pytest.mark.parametrize("finish", ["tool_calls", "stop", None])
def test_f032_calls_that_are_still_open_at_the_end_are_not_lost(finish: str | None) -> None:
    """What was held back for its turn comes out at the finish, whatever the upstream says of it."""
    data = openai_stream(call(0, "c1", "f", '{"a":'), call(1, "c2", "g", '{"b":2}'), call(0, arguments="1}"), finish=finish)
    events = streamed("claude", "openai", data)
    assert heard_calls("claude", events) == [("f", {"a": 1}), ("g", {"b": 2})]
    assert heard_finish("claude", events) == "tool_use"
