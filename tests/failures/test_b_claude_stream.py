"""Field failures, section B: the shape of Claude's streams and turns: blocks, their order, the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import StreamConverter, convert_request
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
    heard_text,
    lines,
    named,
    openai_stream,
    reasons,
    records,
    sse,
    streamed,
)
from tests.fakes.meaning import SCENARIOS
from tests.fakes.wires import STREAMS
from tests.test_exchange import REQUESTS, Playbook

QUESTION = {"role": "user", "content": "?"}
START = {"type": "message_start", "message": {"id": "m", "model": "up", "content": [], "usage": {"input_tokens": 7}}}
STOP = {"type": "message_stop"}


def begun(index: int, **block: Any) -> Doc:
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(index: int, **delta: Any) -> Doc:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def ended(index: int) -> Doc:
    return {"type": "content_block_stop", "index": index}


def ending(reason: str | None, **usage: int) -> Doc:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def text_block(index: int, text: str) -> list[Doc]:
    return [begun(index, type="text", text=""), piece(index, type="text_delta", text=text), ended(index)]


INTERLEAVED: Doc = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "up",
    "content": [
        {"type": "thinking", "thinking": "T1", "signature": "sig"},
        {"type": "text", "text": "A"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"n": 1}},
        {"type": "text", "text": "B"},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {"n": 2}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2},
}


def test_f042_blocks_of_one_kind_keep_their_order_where_the_message_has_one_place_for_each() -> None:
    """An OpenAI message has one text and one list of calls."""
    message = answered("openai", "claude", INTERLEAVED)["choices"][0]["message"]
    assert message["reasoning_content"] == "T1"
    assert message["content"] == "AB"
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["f", "g"]


def test_f042_blocks_keep_their_order_where_the_answer_is_a_list() -> None:
    """Responses has items and Gemini parts, in the order of the blocks."""
    items = answered("responses", "claude", INTERLEAVED)["output"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "message", "function_call"]
    assert [item["content"][0]["text"] for item in items if item["type"] == "message"] == ["A", "B"]
    parts = answered("gemini", "claude", INTERLEAVED)["candidates"][0]["content"]["parts"]
    kinds = ["call" if "functionCall" in part else part["text"] for part in parts if part.get("text") != ""]
    assert kinds == ["T1", "A", "call", "B", "call"]


@pytest.mark.parametrize("second", [ending("end_turn", output_tokens=5), ending(None, output_tokens=5)])
def test_f043_a_second_message_delta_is_no_second_finish(second: Doc) -> None:
    """Some upstreams say it once with the reason and once with the counts."""
    data = named(START, *text_block(0, "Hi"), ending("end_turn", output_tokens=3), second, STOP)
    events = streamed("openai", "claude", data)
    assert reasons(events) == ["stop"]
    assert [event["usage"]["completion_tokens"] for event in events if event.get("usage")] == [5]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(named({"type": "ping"}), id="ping-only"),
        pytest.param(named(START, *text_block(0, "Half")), id="no-message-stop"),
        pytest.param(named(START, *text_block(0, "Half"), ending("end_turn")), id="no-message-stop-behind-the-reason"),
    ],
)
@pytest.mark.parametrize("client", CLIENTS)
def test_f044_a_claude_stream_without_its_end_is_an_error(client: str, data: bytes) -> None:
    """Neither an empty stream nor a cut one is taken for an answer."""
    stream = StreamConverter(context_for(client, "claude"))
    out = stream.feed(data) + stream.close()
    assert stream.failure is not None
    last = records(client, out)[-1]
    assert "error" in last or last["type"] in ("error", "response.failed")
    assert b"[DONE]" not in out
    assert b'"type":"message_stop"' not in out


def test_f044_a_relayed_stream_without_its_end_is_an_error() -> None:
    """Where Claude's bytes pass as they are, too."""
    play = Playbook("claude", "claude")
    play.body()
    play.head()
    play.bytes(named(START, begun(0, type="text", text=""), piece(0, type="text_delta", text="Half")))
    play.eof()
    assert [event["type"] for event in records("claude", play.sent)][-2:] == ["content_block_stop", "error"]


@pytest.mark.parametrize("client", CLIENTS)
def test_f044_an_empty_stream_is_answered_with_an_http_error(client: str) -> None:
    """Nothing has gone to the client yet, so that it, or a failover, can try again."""
    play = Playbook(client, "claude")
    play.body()
    play.head()
    play.eof()
    assert play.reply.status == 502
    assert "error" in json.loads(play.sent)


@pytest.mark.parametrize(
    ("chunks", "kinds"),
    [
        ([chunk(reasoning_content="hm"), chunk(content="so")], ["thinking", "text"]),
        ([chunk(role="assistant", reasoning="hm", content=""), chunk(content="so")], ["thinking", "text"]),
        ([chunk(content=None, reasoning_content="hm"), call(0, "c", "f", "{}")], ["thinking", "tool_use"]),
        ([call(0, "c", "f", "{}"), chunk(content="so")], ["tool_use", "text"]),
    ],
    ids=["thought-first", "thought-with-the-role", "thought-with-null", "call-first"],
)
def test_f046_the_first_block_is_of_the_kind_of_the_first_delta(chunks: list[Doc], kinds: list[str]) -> None:
    """No text block stands open before anything was said. `blocks` asserts that deltas fit their block."""
    assert [block["type"] for block in blocks(streamed("claude", "openai", openai_stream(*chunks)))] == kinds


@pytest.mark.parametrize(
    "before",
    [
        [chunk(role="assistant"), chunk(role="assistant", content="")],
        [{**chunk(), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}}, chunk(role="assistant")],
        [{**chunk(), "choices": [], "prompt_filter_results": []}, chunk(role="assistant", content=None)],
    ],
    ids=["the-role-twice", "usage-first", "azure"],
)
def test_f047_a_message_starts_once(before: list[Doc]) -> None:
    """However many chunks come before the first word."""
    events = streamed("claude", "openai", openai_stream(*before, chunk(content="Hi"), chunk(role="assistant", content="!")))
    assert [event["type"] for event in events].count("message_start") == 1
    assert blocks(events) == [{"type": "text", "text": "Hi!"}]


def test_f048_white_space_between_calls_does_not_land_in_a_call() -> None:
    """qwen3_coder's parser leaves line breaks between calls; they may reach the client as text."""
    data = openai_stream(
        call(0, "c1", "f", '{"n":'),
        call(0, arguments="1}"),
        chunk(content="\n"),
        call(1, "c2", "g", '{"n":2}'),
        chunk(content="\n"),
        finish="tool_calls",
    )
    events = streamed("claude", "openai", data)
    assert heard_calls("claude", events) == [("f", {"n": 1}), ("g", {"n": 2})]
    assert heard_text("claude", events).strip() == ""


RESPONSE = {"id": "r", "model": "up", "output": []}
CREATED = {"type": "response.created", "response": RESPONSE}
COMPLETED = {"type": "response.completed", "response": {**RESPONSE, "status": "completed"}}


def test_f050_deltas_without_their_item_open_a_block() -> None:
    """An upstream that sends no output_item.added and no content_part.added."""
    words = [{"type": "response.output_text.delta", "output_index": 0, "delta": word} for word in ("Hel", "lo")]
    thought = {"type": "response.reasoning_summary_text.delta", "delta": "hm"}
    events = streamed("claude", "responses", named(CREATED, thought, *words, COMPLETED))
    found = blocks(events)
    assert [(block["type"], block.get("thinking") or block.get("text")) for block in found] == [
        ("thinking", "hm"),
        ("text", "Hello"),
    ]


def test_f051_a_thought_behind_a_call_gets_a_block_of_its_own() -> None:
    """Reason, call, reason again."""

    def thought(number: int, text: str) -> list[Doc]:
        item = {"type": "reasoning", "id": f"rs_{number}", "summary": []}
        place = {"item_id": item["id"], "output_index": number, "summary_index": 0}
        said = {**item, "summary": [{"type": "summary_text", "text": text}]}
        return [
            {"type": "response.output_item.added", "output_index": number, "item": item},
            {"type": "response.reasoning_summary_text.delta", **place, "delta": text},
            {"type": "response.output_item.done", "output_index": number, "item": said},
        ]

    item = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "", "status": "in_progress"}
    called = [
        {"type": "response.output_item.added", "output_index": 1, "item": item},
        {"type": "response.function_call_arguments.delta", "item_id": "fc", "output_index": 1, "delta": '{"n":1}'},
        {"type": "response.output_item.done", "output_index": 1, "item": {**item, "arguments": '{"n":1}'}},
    ]
    events = streamed("claude", "responses", named(CREATED, *thought(0, "one"), *called, *thought(2, "two"), COMPLETED))
    found = [(block["type"], block.get("thinking") or block.get("input")) for block in blocks(events)]
    assert found[:3] == [("thinking", "one"), ("tool_use", {"n": 1}), ("thinking", "two")]


def results_with_words() -> Doc:
    """Results of two calls with the user's words before, between and behind, the second call's first."""
    uses = [{"type": "tool_use", "id": f"t{n}", "name": f"f{n}", "input": {}} for n in (1, 2)]
    content = [
        {"type": "text", "text": "before"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "two"},
        {"type": "text", "text": "between"},
        {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
        {"type": "text", "text": "behind"},
    ]
    turns = [QUESTION, {"role": "assistant", "content": uses}, {"role": "user", "content": content}]
    return {"model": "m", "max_tokens": 9, "messages": turns}


def test_f052_results_stand_right_behind_their_calls_and_words_behind_them() -> None:
    """DeepSeek and others refuse anything between."""
    messages = asked("claude", "openai", results_with_words())["messages"]
    assert [message["role"] for message in messages[:4]] == ["user", "assistant", "tool", "tool"]
    assert {message["role"] for message in messages[4:]} == {"user"}
    words = json.dumps(messages[4:])
    assert words.index("before") < words.index("between") < words.index("behind")


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f056_results_stand_in_the_order_of_their_calls(target: str) -> None:
    """Though the client sent them as they were done."""
    document = asked("claude", target, results_with_words())
    said = json.dumps(document.get("messages") or document.get("input") or document["contents"])
    assert said.index('"one"') < said.index('"two"') < said.index("behind")


def test_f056_the_same_toward_claude() -> None:
    """From a client of another protocol."""
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": f"f{n}", "arguments": "{}"}} for n in (1, 2)]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": str(n)} for n in (2, 1)]
    body = {"model": "m", "messages": [QUESTION, {"role": "assistant", "content": None, "tool_calls": calls}, *results]}
    content = asked("openai", "claude", body)["messages"][-1]["content"]
    assert [block["tool_use_id"] for block in content] == ["c1", "c2"]


@pytest.mark.parametrize("upstream", ["openai", "responses", "claude", "gemini", "ollama"])
def test_f054_the_reason_follows_the_last_block_and_precedes_the_end(upstream: str) -> None:
    """Claude Code runs a tool when it reads tool_use there."""
    events = streamed("claude", upstream, STREAMS[upstream](SCENARIOS["parallel"]))
    blocks(events)
    assert [event["type"] for event in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == SCENARIOS["parallel"].output
    assert [event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta"] == ["tool_use"]


def test_f055_a_call_right_behind_a_thought_has_the_next_index() -> None:
    """Ollama thinks and calls, without a word of text. `blocks` asserts the indices."""
    calls = [{"function": {"name": "f", "arguments": {"n": 1}}}]
    data = lines(
        {"model": "up", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"model": "up", "message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False},
        {"model": "up", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    )
    assert [block["type"] for block in blocks(streamed("claude", "ollama", data))] == ["thinking", "tool_use"]


SERVER_BLOCKS: list[Doc] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"n": 1}},
]


def test_f058_server_blocks_stay_before_the_clients_calls() -> None:
    """In the answer, which clients send back as they got it, and in a request that is written anew."""
    events = [event for n, block in enumerate(SERVER_BLOCKS) for event in (begun(n, **block), ended(n))]
    found = blocks(streamed("claude", "claude", named(START, *events, ending("tool_use"), STOP)))
    assert found == SERVER_BLOCKS
    turn = {"role": "assistant", "content": SERVER_BLOCKS}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "fine"}]}
    body = {"model": "m", "max_tokens": 9, "messages": [QUESTION, turn, result]}
    claude, context = PROTOCOLS["claude"].chat, context_for("claude", "claude")
    request = claude.read_request(body, context, Call())
    assert claude.write_request(request, Target(protocol="claude", model="m"), context)["messages"] == body["messages"]


@pytest.mark.parametrize("source", ["claude", "gemini", "responses"])
def test_f058_server_blocks_of_others_never_go_to_claude_in_halves(source: str) -> None:
    """Of another maker's server tools, nothing that looks like a call or result of Claude's is made up."""
    bodies: dict[str, Doc] = {
        "claude": {"model": "m", "max_tokens": 9, "messages": [QUESTION, {"role": "assistant", "content": SERVER_BLOCKS}]},
        "responses": {
            "model": "m",
            "input": [
                {
                    "type": "web_search_call",
                    "id": "ws_1",
                    "status": "completed",
                    "action": {"type": "search", "query": "q"},
                },
                {"role": "user", "content": "?"},
            ],
        },
        "gemini": {
            "contents": [
                {"role": "user", "parts": [{"text": "?"}]},
                {"role": "model", "parts": [{"executableCode": {"language": "PYTHON", "code": "1"}}, {"text": "one"}]},
                {"role": "user", "parts": [{"text": "?"}]},
            ]
        },
    }
    target = "openai" if source == "claude" else "claude"
    said = json.dumps(asked(source, target, bodies[source], **({"stream": False} if source == "gemini" else {})))
    assert "server_tool_use" not in said
    assert "web_search" not in said
    assert "executableCode" not in said


@pytest.mark.parametrize(
    ("target", "where"),
    [("openai", ("stop",)), ("gemini", ("generationConfig", "stopSequences")), ("ollama", ("options", "stop"))],
)
def test_f059_stop_sequences_go_by_the_targets_own_name(target: str, where: tuple[str, ...]) -> None:
    """Mistral's is that of OpenAI's protocol."""
    body = {"model": "m", "max_tokens": 9, "messages": [QUESTION], "stop_sequences": ["END", "\n\n"]}
    said: Any = asked("claude", target, body)
    for key in where:
        said = said[key]
    assert said == ["END", "\n\n"]


def test_f059_stop_sequences_without_a_place_are_noted() -> None:
    """Responses has none."""
    body = {"model": "m", "max_tokens": 9, "messages": [QUESTION], "stop_sequences": ["END"]}
    converted = convert_request(body, source="claude", target="responses")
    assert b"END" not in converted.body
    assert any(note.startswith("stop") for note in converted.notes)


@pytest.mark.parametrize("client", CLIENTS)
def test_f060_a_long_answer_is_streamed_upstream_and_gathered(client: str) -> None:
    """A provider with `stream = "always"` is asked so, and the client gets its whole answer all the same."""
    play = Playbook(client, "claude", stream=False, asked="always")
    play.body({**REQUESTS[client], **({"max_tokens": 128_000} if client in ("openai", "claude") else {})} | _whole(client))
    asked_for = json.loads(play.dial.body)
    assert asked_for["stream"] is True
    assert asked_for["max_tokens"] == (128_000 if client in ("openai", "claude") else 32_000)
    play.head()
    stream = STREAMS["claude"](SCENARIOS["parallel"])
    for at in range(0, len(stream), 7):
        play.bytes(stream[at : at + 7])
    assert play.reply.status == 200
    said = play.reply.body.decode()
    assert SCENARIOS["parallel"].text in said
    assert all(call.name in said for call in SCENARIOS["parallel"].calls)
    assert play.record.usage.output == SCENARIOS["parallel"].output


def _whole(client: str) -> Doc:
    return {} if client == "gemini" else {"stream": False}


@pytest.mark.parametrize("client", CLIENTS)
def test_f062_blocks_that_the_upstream_leaves_open_are_closed(client: str) -> None:
    """No content_block_stop at all, as behind some gateways to Bedrock."""
    use = begun(1, type="tool_use", id="t1", name="f", input={})
    data = named(
        START,
        begun(0, type="text", text=""),
        piece(0, type="text_delta", text="Hi"),
        use,
        piece(1, type="input_json_delta", partial_json='{"n":1}'),
        ending("tool_use", output_tokens=3),
        STOP,
    )
    events = streamed(client, "claude", data)
    assert heard_text(client, events) == "Hi"
    assert heard_calls(client, events) == [("f", {"n": 1})]


def test_f043_the_finish_of_an_openai_stream_is_said_once() -> None:
    """The same from OpenAI-compatible upstreams that repeat the finish_reason with the usage."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    data = sse(chunk(content="Hi"), chunk("stop"), {**chunk("stop"), "usage": usage}) + DONE
    assert [event["type"] for event in streamed("claude", "openai", data)].count("message_delta") == 1
    assert reasons(streamed("openai", "openai", data)) == ["stop"]
    assert all("delta" in choice for event in streamed("openai", "openai", data) for choice in event["choices"])
    assert deltas(streamed("openai", "openai", data))[0]["content"] == "Hi"
