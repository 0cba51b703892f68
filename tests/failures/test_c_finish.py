"""Field failures, section C: why an answer ended, and answers that say little or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import StreamConverter
from ccproxy.model import Target
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.failures.wire import (
    CLIENTS,
    DONE,
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
    heard_text,
    lines,
    named,
    openai_stream,
    reasons,
    records,
    sse,
    streamed,
)
from tests.test_exchange import Playbook

QUESTION = {"role": "user", "content": "?"}
SAYS_CALLS = {
    "openai": "tool_calls",
    "responses": "response.completed",
    "claude": "tool_use",
    "gemini": "STOP",
    "ollama": "stop",
}
"""What each protocol says when the client has a tool to run; the last two have no word of their own for it."""


def claude_answer(*content: Doc, stop: str = "end_turn") -> Doc:
    usage = {"input_tokens": 1, "output_tokens": 2}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": list(content),
        "stop_reason": stop,
        "usage": usage,
    }


def claude_stream(*content: Doc, stop: str = "end_turn") -> bytes:
    whole = claude_answer(*content, stop=stop)
    events: list[Doc] = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}]
    for index, block in enumerate(content):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": whole["usage"]})
    return named(*events, {"type": "message_stop"})


def text(words: str) -> Doc:
    return {"type": "text", "text": words}


def candidate(*parts: Doc, finish: str | None = None) -> Doc:
    """A chunk of a Gemini stream, or an answer."""
    said: Doc = {"index": 0}
    if parts:
        said["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        said["finishReason"] = finish
    return {"candidates": [said], "responseId": "r"}


GEMINI_CALL = {"functionCall": {"name": "f", "args": {"n": 1}}}


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")], ids=["length", "filter"]
)
def test_f063_a_cut_answer_is_incomplete_for_responses(finish: str, reason: str) -> None:
    """The item says so too, and a call that was cut has no arguments.done that would make a client run it."""
    data = openai_stream(chunk(content="Half"), call(0, "c1", "f", '{"n":'), finish=finish)
    events = streamed("responses", "openai", data)
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}
    called = next(item for item in last["response"]["output"] if item["type"] == "function_call")
    assert (called["status"], called["arguments"]) == ("incomplete", '{"n":')
    assert "response.function_call_arguments.done" not in {event["type"] for event in events}
    cut = openai_stream(chunk(content="Half"), finish=finish)
    message = streamed("responses", "openai", cut)[-1]["response"]["output"][0]
    assert message["status"] == "incomplete"


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        pytest.param("refusal", "content_filter", id="F064-refusal"),
        pytest.param("sensitive", "content_filter", id="F064-sensitive"),
        pytest.param("max_tokens", "length", id="F078-max_tokens"),
        pytest.param("model_context_window_exceeded", "length", id="F078-window"),
        pytest.param("pause_turn", "stop", id="F082-pause_turn"),
        pytest.param("end_turn", "stop", id="F078-end_turn"),
        pytest.param("stop_sequence", "stop", id="F078-stop_sequence"),
        pytest.param("something_new", "stop", id="F078-a-word-of-tomorrow"),
    ],
)
def test_claudes_reasons_in_openais_words(stop: str, finish: str) -> None:
    """Streamed and whole; what was said stays."""
    events = streamed("openai", "claude", claude_stream(text("Half"), stop=stop))
    assert reasons(events) == [finish]
    assert heard_text("openai", events) == "Half"
    whole = answered("openai", "claude", claude_answer(text("Half"), stop=stop))["choices"][0]
    assert (whole["finish_reason"], whole["message"]["content"]) == (finish, "Half")


def test_f082_a_pause_is_a_pause_for_claudes_clients() -> None:
    """They send the turn back to have it continued; streamed, whole and relayed."""
    data = claude_stream(text("Half"), stop="pause_turn")
    assert heard_finish("claude", streamed("claude", "claude", data)) == "pause_turn"
    assert answered("claude", "claude", claude_answer(text("Half"), stop="pause_turn"))["stop_reason"] == "pause_turn"
    play = Playbook("claude", "claude")
    play.body()
    play.head()
    play.bytes(data)
    assert heard_finish("claude", records("claude", play.sent)) == "pause_turn"


EMPTY: dict[str, Any] = {
    "no choices' words": openai_stream(finish="stop"),
    "null": sse(chunk(content=None), chunk("stop", content=None)) + DONE,
}


@pytest.mark.parametrize("data", EMPTY.values(), ids=EMPTY)
def test_f066_an_answer_of_nothing_has_an_empty_block_in_the_stream(data: bytes) -> None:
    """Claude Code takes a message without any block for a fault."""
    events = streamed("claude", "openai", data)
    assert blocks(events) == [{"type": "text", "text": ""}]
    assert heard_finish("claude", events) == "end_turn"


@pytest.mark.parametrize("content", [None, ""])
def test_f066_a_whole_answer_of_nothing_has_a_content_list(content: str | None) -> None:
    """`content` is a list and never null."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    assert answered("claude", "openai", {"choices": [choice]})["content"] == []


EMPTY_TEXTS: Doc = {
    "model": "m",
    "max_tokens": 9,
    "messages": [
        {"role": "user", "content": [text("first"), text("")]},
        {"role": "assistant", "content": [text("")]},
        {"role": "assistant", "content": [text(""), {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "one"}, text("")]},
    ],
}


def test_f067_gemini_gets_no_empty_part_and_no_empty_turn() -> None:
    """A part without data is a 400 there."""
    contents = asked("claude", "gemini", EMPTY_TEXTS)["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert all(part != {"text": ""} for content in contents for part in content["parts"])
    assert all(content["parts"] for content in contents)


def empty_texts_for_claude() -> Doc:
    marked = {**text(""), "cache_control": {"type": "ephemeral"}}
    turns = [
        QUESTION,
        {"role": "assistant", "content": [text("said"), marked]},
        {"role": "assistant", "content": [text("")]},
    ]
    return {"model": "alias", "max_tokens": 9, "messages": [*turns, QUESTION]}


def test_f068_empty_texts_do_not_go_to_claude() -> None:
    """Clients keep the empty text blocks of earlier answers, ours among them (F083); the API refuses them."""
    claude, context = PROTOCOLS["claude"].chat, context_for("claude", "claude")
    request = claude.read_request(empty_texts_for_claude(), context, Call())
    turns = claude.write_request(request, Target(protocol="claude", model="m"), context)["messages"]
    assert turns == [QUESTION, {"role": "assistant", "content": [text("said")]}, QUESTION]


def test_f068_a_request_with_empty_texts_is_not_relayed_as_it_is() -> None:
    """Same protocol on both sides, and however the client spaces its JSON; any other body still passes byte for byte."""
    body = empty_texts_for_claude()
    for separators in ((", ", ": "), (",", ":")):
        play = Playbook("claude", "claude", stream=False)
        play.body(json.dumps(body, separators=separators).encode())
        assert json.loads(play.dial.body)["messages"] == [
            QUESTION,
            {"role": "assistant", "content": [text("said")]},
            QUESTION,
        ]
    fit = json.dumps({**body, "messages": [QUESTION]}, indent=1).encode()
    play = Playbook("claude", "claude", stream=False)
    play.body(fit)
    assert play.dial.body == fit.replace(b'"alias"', b'"up-model"')


def test_f068_nor_from_clients_of_other_protocols() -> None:
    """An OpenAI client's empty assistant message, beside a call and alone."""
    entry = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        QUESTION,
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": "", "tool_calls": [entry]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
    ]
    document = asked("openai", "claude", {"model": "m", "messages": turns})
    found = [block for turn in document["messages"] for block in turn["content"] if isinstance(block, dict)]
    assert all(block.get("text") != "" for block in found)
    assert [block["type"] for block in found] == ["text", "tool_use", "tool_result"]


@pytest.mark.parametrize("end", [DONE, b""], ids=["done", "cut"])
@pytest.mark.parametrize("client", CLIENTS)
def test_f070_a_reason_is_made_up_where_the_upstream_gives_none(client: str, end: bytes) -> None:
    """After complete calls it says so, else stop."""
    called = sse(chunk(role="assistant"), call(0, "c1", "f", '{"n":1}')) + end
    events = streamed(client, "openai", called)
    assert heard_finish(client, events) == SAYS_CALLS[client]
    assert heard_calls(client, events) == [("f", {"n": 1})]
    stops = {**SAYS_CALLS, "openai": "stop", "claude": "end_turn"}
    assert heard_finish(client, streamed(client, "openai", sse(chunk(content="Hi")) + end)) == stops[client]


@pytest.mark.parametrize("end", [DONE, b""], ids=["done", "cut"])
def test_f070_the_same_where_the_bytes_are_relayed(end: bytes) -> None:
    """The missing chunk is put before the end."""
    play = Playbook("openai", "openai")
    play.body()
    play.head()
    play.bytes(sse(chunk(role="assistant"), call(0, "c1", "f", '{"n":1}')) + end)
    if not end:
        play.eof()
    assert reasons(records("openai", play.sent)) == ["tool_calls"]
    assert play.sent.endswith(DONE)


@pytest.mark.parametrize("client", CLIENTS)
def test_f071_a_call_counts_though_ollama_says_stop_in_the_next_line(client: str) -> None:
    """The call and the end come apart."""
    calls = [{"function": {"name": "f", "arguments": {"n": 1}}}]
    data = lines(
        {"model": "up", "message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False},
        {"model": "up", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    )
    events = streamed(client, "ollama", data)
    assert heard_finish(client, events) == SAYS_CALLS[client]
    assert heard_calls(client, events) == [("f", {"n": 1})]


@pytest.mark.parametrize("client", CLIENTS)
def test_f072_a_call_counts_though_gemini_says_stop(client: str) -> None:
    """The call stands in an earlier chunk than the reason."""
    data = sse(candidate(GEMINI_CALL), candidate({"text": ""}, finish="STOP"))
    events = streamed(client, "gemini", data)
    assert heard_finish(client, events) == SAYS_CALLS[client]
    assert heard_calls(client, events) == [("f", {"n": 1})]


@pytest.mark.parametrize("client", CLIENTS)
def test_f072_a_call_counts_though_responses_has_no_word_for_it(client: str) -> None:
    """Its status is completed whatever was said; streamed and whole."""
    item = {
        "type": "function_call",
        "id": "fc",
        "call_id": "c1",
        "name": "f",
        "arguments": '{"n":1}',
        "status": "completed",
    }
    response = {"id": "r", "model": "up", "status": "completed", "output": [item]}
    data = named({"type": "response.created", "response": {**response, "output": []}})
    data += named({"type": "response.completed", "response": response})
    assert heard_finish(client, streamed(client, "responses", data)) == SAYS_CALLS[client]
    if client in ("openai", "claude"):
        whole = answered(client, "responses", response)
        reason = whole["choices"][0]["finish_reason"] if client == "openai" else whole["stop_reason"]
        assert reason == SAYS_CALLS[client]


def test_f074_a_turn_of_calls_has_no_words() -> None:
    """Nothing is put where Gemini said no text."""
    data = sse(candidate(GEMINI_CALL), candidate(finish="STOP"))
    assert all(not delta.get("content") for delta in deltas(streamed("openai", "gemini", data)))
    message = answered("openai", "gemini", candidate(GEMINI_CALL, finish="STOP"))["choices"][0]["message"]
    assert message["content"] is None
    assert len(message["tool_calls"]) == 1


def test_f075_empty_words_between_the_pieces_of_a_call_say_nothing() -> None:
    """They close no block and open none."""
    data = openai_stream(
        call(0, "c1", "f", '{"n"'),
        chunk(content=""),
        chunk(content="", tool_calls=[{"index": 0, "function": {"arguments": ":1"}}]),
        chunk(content="", reasoning_content=""),
        call(0, arguments="}"),
        finish="tool_calls",
    )
    assert blocks(streamed("claude", "openai", data)) == [{"type": "tool_use", "id": "c1", "name": "f", "input": {"n": 1}}]


def test_f076_texts_in_several_blocks_are_joined_in_their_order() -> None:
    """Citations cut Claude's text into blocks."""
    cited = {"type": "web_search_result_location", "url": "https://e.example", "title": "E", "cited_text": "b"}
    content = [text("a "), {**text("b"), "citations": [{**cited, "encrypted_index": "x"}]}, text(" c")]
    message = answered("openai", "claude", claude_answer(*content))["choices"][0]["message"]
    assert message["content"] == "a b c"
    source = message["annotations"][0]["url_citation"]
    assert message["content"][source["start_index"] : source["end_index"]] == "b"


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
    ],
)
def test_f079_geminis_reasons_in_openais_words(said: str, finish: str) -> None:
    """Streamed and whole."""
    assert reasons(streamed("openai", "gemini", sse(candidate({"text": "Half"}, finish=said)))) == [finish]
    whole = answered("openai", "gemini", candidate({"text": "Half"}, finish=said))
    assert whole["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("last", [candidate(finish="MAX_TOKENS"), candidate({"text": ""}, finish="MAX_TOKENS")])
def test_f080_every_choice_of_a_stream_has_a_delta(last: Doc) -> None:
    """In the last chunk too, where Gemini's has no content."""
    events = streamed("openai", "gemini", sse(candidate({"text": "Half"}), last))
    assert all(isinstance(choice["delta"], dict) for event in events for choice in event["choices"])
    assert reasons(events) == ["length"]


THOUGHT_ONLY: dict[str, bytes] = {
    "openai": openai_stream(chunk(reasoning_content="hm")),
    "claude": claude_stream({"type": "thinking", "thinking": "hm", "signature": "sig"}),
    "gemini": sse(candidate({"text": "hm", "thought": True}, finish="STOP")),
    "ollama": lines(
        {"model": "up", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"model": "up", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    ),
}


@pytest.mark.parametrize("upstream", THOUGHT_ONLY)
def test_f083_a_thought_alone_is_followed_by_an_empty_text(upstream: str) -> None:
    """Each client finds the place where it looks for the answer, with nothing in it."""
    data = THOUGHT_ONLY[upstream]
    found = blocks(streamed("claude", upstream, data))
    assert [block["type"] for block in found] == ["thinking", "text"]
    assert found[1]["text"] == ""
    output = streamed("responses", upstream, data)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[1]["content"][0]["text"] == ""
    said = [delta["content"] for delta in deltas(streamed("openai", upstream, data)) if "content" in delta]
    assert said == [""]
    parts = [part for event in streamed("gemini", upstream, data) for part in event["candidates"][0]["content"]["parts"]]
    assert [part["text"] for part in parts if not part.get("thought")] == [""]
    assert streamed("ollama", upstream, data)[-1]["message"]["content"] == ""


def test_f083_the_same_for_whole_answers() -> None:
    """A message of nothing but reasoning_content."""
    message = {"role": "assistant", "content": None, "reasoning_content": "hm"}
    document = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    assert answered("claude", "openai", document)["content"][-1] == text("")
    assert answered("openai", "openai", document)["choices"][0]["message"]["content"] == ""
    assert answered("responses", "openai", document)["output"][-1]["content"][0]["text"] == ""


def test_f084_null_beside_calls_makes_no_text_block() -> None:
    """`content: null` is what OpenAI sends with calls."""
    entry = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"n":1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [entry]}
    document = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    assert answered("claude", "openai", document)["content"] == [
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"n": 1}}
    ]


def test_f070_a_call_that_was_cut_is_no_answer() -> None:
    """Made-up ends are for what is complete."""
    stream = StreamConverter(context_for("openai", "openai"))
    out = stream.feed(sse(chunk(role="assistant"), call(0, "c1", "f", '{"n":'))) + stream.close()
    assert stream.failure is not None
    assert reasons(records("openai", out)[:-1]) == []
