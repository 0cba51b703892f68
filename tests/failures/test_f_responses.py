"""Field failures, section F: the Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from ccproxy.actions import Dial, Reply
from ccproxy.app import App
from ccproxy.config import loads
from ccproxy.protocols import PROTOCOLS
from tests.app.heads import head_of
from tests.failures.wire import (
    DONE,
    Doc,
    answered,
    asked,
    blocks,
    converted,
    deltas,
    joined_calls,
    named,
    reasons,
    sse,
    streamed,
)
from tests.fakes.meaning import SCENARIOS, Meaning, Spoken
from tests.fakes.wires import ANSWERS, STREAMS
from tests.test_exchange import REQUESTS, Notebook, Playbook, answer_to, remembering

UPSTREAMS = list(PROTOCOLS)
OTHERS = [name for name in PROTOCOLS if name != "responses"]
COMPLETE = [name for name, meaning in SCENARIOS.items() if meaning.status == 200 and not meaning.breaks]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
EVERYTHING = Meaning(
    text="Two at once.",
    thinking="Both, then.",
    calls=[Spoken("get_weather", {"city": "Bern"}, "call_a1"), Spoken("get_time", {}, "call_b2")],
    finish="tool_calls",
)

OPENS = {
    "message": ("response.content_part.added", "response.content_part.done"),
    "reasoning": ("response.reasoning_summary_part.added", "response.reasoning_summary_part.done"),
}
DELTAS = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.function_call_arguments.delta": "function_call",
}


def followed(events: list[Doc]) -> list[Doc]:
    """The items of a stream, whose life is asserted: created, in_progress, each item added, its part added, deltas, the
    text's done, the part's done, the item's done; one end. Indices count the items in the order of their beginnings, and
    the last event holds the very items that the stream said."""
    for event in events:
        EVENT.validate_python(event)
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ("response.completed", "response.incomplete")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    items: list[Doc] = []
    life: dict[int, list[str]] = {}
    for event in events[2:-1]:
        index = event["output_index"]
        if event["type"] == "response.output_item.added":
            assert index == len(items)
            items.append(event["item"])
            life[index] = []
            continue
        assert index in life, f"{event['type']} of an item that is not open"
        kind = items[index]["type"]
        assert event.get("item_id", items[index]["id"]) == items[index]["id"]
        steps = life[index]
        if event["type"] in DELTAS:
            assert DELTAS[event["type"]] == kind
            assert kind not in OPENS or OPENS[kind][0] in steps
        if kind in OPENS and event["type"] == OPENS[kind][1]:
            assert steps[-1].endswith((".delta", "_text.done", "refusal.done"))
        steps.append(event["type"])
        if event["type"] == "response.output_item.done":
            assert steps.count("response.output_item.done") == 1
            added, done = (steps.count(step) for step in OPENS.get(kind, ("", "")))
            assert added == done
            assert kind != "message" or added
            items[index] = event["item"]
            del life[index]
    assert life == {}, "items were not closed"
    assert events[-1]["response"]["output"] == items
    return items


# -- toward Responses clients


@pytest.mark.parametrize("upstream", OTHERS)
def test_f143_output_text_has_annotations_and_logprobs_wherever_it_stands(upstream: str) -> None:
    """In the part that is added and done, in the item, in the last event and in a whole answer; strict models of the SDK
    take them."""
    meaning = SCENARIOS["text"]
    events = streamed("responses", upstream, STREAMS[upstream](meaning))
    found = [event["part"] for event in events if event["type"].startswith("response.content_part")]
    found += [part for event in events if event["type"] == "response.output_item.done" for part in event["item"]["content"]]
    found += events[-1]["response"]["output"][-1]["content"]
    whole = answered("responses", upstream, ANSWERS[upstream](meaning))
    found += whole["output"][-1]["content"]
    assert len(found) == 5
    for part in found:
        assert (part["type"], part["annotations"], part["logprobs"]) == ("output_text", [], [])
    Response.model_validate(whole)


@pytest.mark.parametrize("upstream", OTHERS)
def test_f146_a_call_without_arguments_ends_once_with_an_empty_object(upstream: str) -> None:
    """`{}` in the one `.done` and in the item; one beginning and one end."""
    meaning = Meaning(calls=[Spoken("now", {}, "call_a1")], finish="tool_calls")
    events = streamed("responses", upstream, STREAMS[upstream](meaning))
    kinds = [event["type"] for event in events]
    for kind in ("response.output_item.added", "response.function_call_arguments.done", "response.output_item.done"):
        assert kinds.count(kind) == 1
    [item] = followed(events)
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", "now", "{}")
    [done] = [event["arguments"] for event in events if event["type"] == "response.function_call_arguments.done"]
    assert done == "{}"
    assert "".join(e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta") == "{}"


def test_f146_neither_does_one_whose_upstream_says_nothing_at_all() -> None:
    """The arguments' member never comes, or comes empty."""
    for function in ({"name": "now"}, {"name": "now", "arguments": ""}, {"name": "now", "arguments": None}):
        call = {"index": 0, "id": "c1", "type": "function", "function": function}
        chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
        events = streamed("responses", "openai", sse(chunk, end) + DONE)
        assert [e["arguments"] for e in events if e["type"] == "response.function_call_arguments.done"] == ["{}"]
        assert followed(events)[0]["arguments"] == "{}"


@pytest.mark.parametrize("upstream", OTHERS)
def test_f148_indices_count_items_as_they_first_appear(upstream: str) -> None:
    """A thought, a text and two calls: 0, 1, 2, 3 in every event about them; OpenAI's calls interleave."""
    items = followed(streamed("responses", upstream, STREAMS[upstream](EVERYTHING)))
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.get("name") for item in items] == [None, None, "get_weather", "get_time"]
    assert len({item["id"] for item in items}) == 4


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_f151_the_clients_name_of_the_model_stands_in_every_event_that_has_one(upstream: str) -> None:
    """The client asked for an alias; created, in_progress and completed say it, on the same protocol too."""
    play = Playbook("responses", upstream)
    play.body()
    play.head()
    data = STREAMS[upstream](SCENARIOS["text"])
    play.bytes(data)
    play.eof()
    said = [json.loads(line[6:]) for line in play.sent.splitlines() if line.startswith(b"data: {")]
    models = [event["response"]["model"] for event in said if "response" in event]
    assert len(models) >= 2
    assert set(models) == {"alias"}


@pytest.mark.parametrize("scenario", COMPLETE)
@pytest.mark.parametrize("upstream", OTHERS)
def test_f152_events_come_in_the_one_legal_order(upstream: str, scenario: str) -> None:
    """No delta before its item and its part have been added; Codex loses text and calls otherwise."""
    meaning = SCENARIOS[scenario]
    items = followed(streamed("responses", upstream, STREAMS[upstream](meaning)))
    texts = [part["text"] for item in items if item["type"] == "message" for part in item["content"]]
    assert "".join(texts) == meaning.text
    calls = [(item["name"], json.loads(item["arguments"])) for item in items if item["type"] == "function_call"]
    assert calls == [(call.name, call.arguments) for call in meaning.calls]


def test_f155_a_call_without_text_opens_and_closes_no_message() -> None:
    """Claude calls a tool and says nothing: not one event is about a message."""
    data = STREAMS["claude"](SCENARIOS["tool"])
    events = streamed("responses", "claude", data)
    assert [item["type"] for item in followed(events)] == ["function_call"]
    kinds = {event["type"] for event in events}
    assert not {kind for kind in kinds if "content_part" in kind or "output_text" in kind}


def gemini_chunks(*parts: Doc, reason: str = "STOP") -> list[Doc]:
    chunks = [{"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]} for part in parts]
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}
    return [*chunks, {"candidates": [{"index": 0, "finishReason": reason}], "usageMetadata": usage}]


def test_f159_reasoning_items_have_an_id_and_a_summary() -> None:
    """Of a Gemini answer with a signature and no visible thought as well: AI SDK refuses the whole answer otherwise."""
    call = {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"}
    for parts in ([call], [{"text": "Hm.", "thought": True}, call]):
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        answer = answered("responses", "gemini", {"candidates": [candidate]})
        Response.model_validate(answer)
        *thoughts, item = answer["output"]
        assert item["type"] == "function_call"
        assert thoughts
        assert all(thought["type"] == "reasoning" and thought["id"].startswith("rs_") for thought in thoughts)
        assert [part["text"] for thought in thoughts for part in thought["summary"]] == (["Hm."] if len(parts) > 1 else [])
        assert all(isinstance(thought["summary"], list) for thought in thoughts)


def test_f160_a_gemini_stream_has_its_whole_life() -> None:
    """Thoughts, text, a call and the end: every beginning has its end, and the last event comes, with usage."""
    parts: list[Doc] = [
        {"text": "Hm.", "thought": True},
        {"text": "I look."},
        {"functionCall": {"name": "look", "args": {"at": 1}}, "thoughtSignature": "c2ln"},
    ]
    events = streamed("responses", "gemini", sse(*gemini_chunks(*parts)))
    items = followed(events)
    assert [item["type"] for item in items if item["type"] != "reasoning"] == ["message", "function_call"]
    assert items[-1]["arguments"] == '{"at":1}'
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["usage"]["total_tokens"] == 7


# -- from Responses upstreams


def ended(kind: str, output: list[Doc], reason: str, *before: Doc) -> bytes:
    """A stream: created, what comes before the end, and the end."""
    response: Doc = {"id": "resp_1", "object": "response", "status": kind, "model": "o", "output": output}
    if reason:
        response["incomplete_details"] = {"reason": reason}
    begin = {"id": "resp_1", "object": "response", "status": "in_progress", "model": "o", "output": []}
    return named(
        {"type": "response.created", "response": begin}, *before, {"type": f"response.{kind}", "response": response}
    )


TEXT_ITEM: Doc = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Half", "annotations": []}],
}
TEXT_EVENTS: tuple[Doc, ...] = (
    {"type": "response.output_item.added", "output_index": 0, "item": {**TEXT_ITEM, "content": []}},
    {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Half"},
    {"type": "response.output_item.done", "output_index": 0, "item": TEXT_ITEM},
)


@pytest.mark.parametrize(
    ("reason", "openai", "claude", "gemini", "ollama"),
    [
        ("max_output_tokens", "length", "max_tokens", "MAX_TOKENS", "length"),
        ("content_filter", "content_filter", "refusal", "SAFETY", "stop"),
    ],
)
def test_f144_an_incomplete_response_is_a_good_end(reason: str, openai: str, claude: str, gemini: str, ollama: str) -> None:
    """Not a cut stream: the text is there, the finish says why, and no error is told."""
    data = ended("incomplete", [TEXT_ITEM], reason, *TEXT_EVENTS)
    events = streamed("openai", "responses", data)
    assert reasons(events) == [openai]
    assert "".join(delta.get("content") or "" for delta in deltas(events)) == "Half"
    events = streamed("claude", "responses", data)
    assert blocks(events) == [{"type": "text", "text": "Half"}]
    assert events[-2]["delta"]["stop_reason"] == claude
    assert streamed("gemini", "responses", data)[-1]["candidates"][0]["finishReason"] == gemini
    assert streamed("ollama", "responses", data)[-1]["done_reason"] == ollama
    own = streamed("responses", "responses", data)[-1]
    assert (own["type"], own["response"]["incomplete_details"]) == ("response.incomplete", {"reason": reason})


CALL_ITEM: Doc = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "look",
    "arguments": '{"at":1}',
}
CALL_ADDED: Doc = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {**CALL_ITEM, "arguments": "", "status": "in_progress"},
}
ARGUMENTS: Doc = {"item_id": "fc_1", "output_index": 0}
CALL_STREAMS: dict[str, tuple[Doc, ...]] = {
    "arguments-done": (
        CALL_ADDED,
        {"type": "response.function_call_arguments.done", **ARGUMENTS, "arguments": '{"at":1}'},
        {"type": "response.output_item.done", "output_index": 0, "item": {**CALL_ITEM, "arguments": ""}},
    ),
    "item-done": (CALL_ADDED, {"type": "response.output_item.done", "output_index": 0, "item": CALL_ITEM}),
    "item-done-only": ({"type": "response.output_item.done", "output_index": 0, "item": CALL_ITEM},),
    "last-event-only": (),
    "all": (
        CALL_ADDED,
        {"type": "response.function_call_arguments.delta", **ARGUMENTS, "delta": '{"at":'},
        {"type": "response.function_call_arguments.delta", **ARGUMENTS, "delta": "1}"},
        {"type": "response.function_call_arguments.done", **ARGUMENTS, "arguments": '{"at":1}'},
        {"type": "response.output_item.done", "output_index": 0, "item": CALL_ITEM},
    ),
}


@pytest.mark.parametrize("events", CALL_STREAMS.values(), ids=CALL_STREAMS)
def test_f154_arguments_are_taken_from_where_they_first_come(events: tuple[Doc, ...]) -> None:
    """No delta, but the arguments in `.done`, in the item or in the last event only: they are whole, and never twice."""
    data = ended("completed", [CALL_ITEM], "", *events)
    told = streamed("openai", "responses", data)
    assert joined_calls(told) == [("call_1", "look", '{"at":1}')]
    assert reasons(told) == ["tool_calls"]
    [block] = blocks(streamed("claude", "responses", data))
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "look", {"at": 1})


@pytest.mark.parametrize("output", ["missing", None, []])
@pytest.mark.parametrize("client", UPSTREAMS)
def test_f158_the_last_event_may_come_without_output(client: str, output: Any) -> None:
    """Missing, null or empty: what was streamed stands; with nothing streamed, the answer is empty and no crash."""
    more = {} if output == "missing" else {"output": output}
    last: Doc = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "model": "o", **more}}
    assert b"Half" in converted(client, "responses", named(*TEXT_EVENTS, last))
    assert b"error" not in converted(client, "responses", named(last)).replace(b'"error":null', b"")
    answer = {"id": "resp_1", "object": "response", "status": "completed", "model": "o", **more}
    assert "error" not in {key for key, value in answered(client, "responses", answer).items() if value}


# -- requests


def thought(id: str = "rs_1") -> Doc:
    return {"id": id, "type": "reasoning", "summary": [], "encrypted_content": f"gAAAA{id}"}


@pytest.mark.parametrize("client", ["claude", "gemini"])
def test_f156_reasoning_goes_up_with_the_item_behind_it_or_not_at_all(client: str) -> None:
    """The client has an answer of a thought and a call, and replays it: the thought stands right before its call. Where the
    client has lost the call, the thought stays away, for OpenAI refuses it without its following item."""
    answer = answered(
        client, "responses", {"id": "r", "object": "response", "status": "completed", "output": [thought(), CALL_ITEM]}
    )
    if client == "claude":
        user: Doc = {"role": "user", "content": "hi"}
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "seen"}]}
        whole = {"max_tokens": 9, "messages": [user, {"role": "assistant", "content": answer["content"]}, result]}
        alone = {"max_tokens": 9, "messages": [user, {"role": "assistant", "content": answer["content"][:1]}, user]}
    else:
        user = {"role": "user", "parts": [{"text": "hi"}]}
        turn = answer["candidates"][0]["content"]
        response = {"functionResponse": {"name": "look", "id": "call_1", "response": {"output": "seen"}}}
        whole = {"contents": [user, turn, {"role": "user", "parts": [response]}]}
        [call] = turn["parts"]
        alone = {
            "contents": [
                user,
                {"role": "model", "parts": [{"text": "", "thoughtSignature": call["thoughtSignature"]}]},
                user,
            ]
        }
    items = asked(client, "responses", {"model": "m", **whole} if client == "claude" else whole)["input"]
    kinds = [item.get("type") for item in items]
    at = kinds.index("reasoning")
    assert kinds[at + 1] == "function_call"
    assert (items[at]["id"], items[at]["encrypted_content"]) == ("rs_1", "gAAAArs_1")
    lonely = asked(client, "responses", {"model": "m", **alone} if client == "claude" else alone)["input"]
    assert "reasoning" not in [item.get("type") for item in lonely]


def test_f156_the_clients_own_pairs_stay_together() -> None:
    """On the same protocol the items pass as they are, in their order."""
    items = [{"role": "user", "content": "hi"}, thought(), CALL_ITEM]
    items.append({"type": "function_call_output", "call_id": "call_1", "output": "seen"})
    assert asked("responses", "responses", {"model": "m", "input": items})["input"] == items


# -- WebSockets


def test_f147_a_message_that_is_too_big_is_the_requests_own_fault() -> None:
    """There is no WebSocket to close with 1009: an upgrade is answered at once, and the client falls back to POST. There,
    the same is 413: told to the client, and asked of nobody a second time."""
    config = '[providers.up]\nprotocol = "responses"\napi_keys = ["one", "two"]\nbase_url = "https://up.example/v1"\n'
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    reply = App(loads(config, {})).head(head_of("GET /v1/responses", headers), 0.0)
    assert isinstance(reply, Reply)
    assert reply.status == 426
    play = Playbook("responses", "responses")
    play.body({**REQUESTS["responses"], "stream": True})
    play.head(413, [("content-type", "application/json")])
    play.bytes(b'{"error":{"message":"too big","type":"invalid_request_error","code":null,"param":null}}')
    play.eof()
    assert play.reply.status == 413
    assert json.loads(play.sent)["error"]["message"] == "too big"
    assert [type(action) for action in play.actions].count(Dial) == 1


# -- Earlier turns


@pytest.mark.parametrize("upstream", OTHERS)
def test_f150_an_upstream_that_keeps_nothing_gets_every_turn(upstream: str) -> None:
    """The client says only what is new, and names the answer before it."""
    notebook = Notebook()
    first = answer_to(remembering(upstream, notebook, False), {"input": "Where?"})
    second = remembering(upstream, notebook, False, turn=1)
    then = answer_to(second, {"input": "And then?", "previous_response_id": first["id"]})
    third = remembering(upstream, notebook, False, turn=2)
    answer_to(third, {"input": "At last?", "previous_response_id": then["id"]})
    sent = json.dumps(json.loads(third.dial.body), ensure_ascii=False)
    text = json.dumps(SCENARIOS["text"].text, ensure_ascii=False)[1:-1]
    assert sent.count(text) == 2
    assert sent.index("Where?") < sent.index(text) < sent.index("And then?") < sent.rindex(text) < sent.index("At last?")
