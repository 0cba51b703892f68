"""Field failures, section D: tokens counted, by whose rules, and when they are known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import tokens
from ccproxy.exchange import Exchange
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.failures.wire import (
    CLIENTS,
    DONE,
    Doc,
    answered,
    blocks,
    chunk,
    context_for,
    lines,
    named,
    openai_stream,
    records,
    sse,
    streamed,
)
from tests.fakes.meaning import PIXEL
from tests.test_exchange import REQUESTS, Playbook

ZEROS = {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}
COUNTS = {"promptTokenCount": 21, "candidatesTokenCount": 7, "thoughtsTokenCount": 2, "totalTokenCount": 30}


def usage_of(client: str, events: list[Doc]) -> tuple[int, int]:
    """(input, output) as the client's SDK would report them at the end, cached and reasoning tokens included."""
    counts: tuple[int, int] = _COUNTS[client](events)
    return counts


def _last(events: list[Doc], key: str) -> Doc:
    found: Doc = [event[key] for event in events if event.get(key)][-1]
    return found


def _claude(events: list[Doc]) -> tuple[int, int]:
    """The SDK puts the members of message_delta's usage over those of message_start."""
    said = {**events[0]["message"]["usage"], **events[-2]["usage"]}
    cached = said["cache_read_input_tokens"] + said["cache_creation_input_tokens"]
    return said["input_tokens"] + cached, said["output_tokens"]


_COUNTS: dict[str, Any] = {
    "openai": lambda events: (_last(events, "usage")["prompt_tokens"], _last(events, "usage")["completion_tokens"]),
    "responses": lambda events: (
        events[-1]["response"]["usage"]["input_tokens"],
        events[-1]["response"]["usage"]["output_tokens"],
    ),
    "claude": _claude,
    "gemini": lambda events: (
        _last(events, "usageMetadata")["promptTokenCount"],
        _last(events, "usageMetadata")["candidatesTokenCount"]
        + _last(events, "usageMetadata").get("thoughtsTokenCount", 0),
    ),
    "ollama": lambda events: (events[-1]["prompt_eval_count"], events[-1]["eval_count"]),
}


def gemini_chunk(counts: Doc | None, key: str = "usageMetadata", finish: str | None = None, text: str = "x") -> Doc:
    candidate: Doc = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate]} | ({key: counts} if counts is not None else {})


GEMINI_STREAMS = {
    "zeros first": sse(gemini_chunk(ZEROS), gemini_chunk(None), gemini_chunk(COUNTS, finish="STOP")),
    "zeros last": sse(gemini_chunk(COUNTS), gemini_chunk(ZEROS, finish="STOP")),
    "running totals": sse(
        gemini_chunk({"promptTokenCount": 21, "candidatesTokenCount": 1}), gemini_chunk(COUNTS, finish="STOP")
    ),
}


@pytest.mark.parametrize("data", GEMINI_STREAMS.values(), ids=GEMINI_STREAMS)
@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "gemini"])
def test_f086_a_frame_that_counts_nothing_is_no_count(client: str, data: bytes) -> None:
    """Gemini's placeholder of zeros, wherever it stands; the last frame that says something holds."""
    assert usage_of(client, streamed(client, "gemini", data)) == (21, 9)


@pytest.mark.parametrize("data", GEMINI_STREAMS.values(), ids=GEMINI_STREAMS)
def test_f086_nor_for_the_log_of_a_relayed_stream(data: bytes) -> None:
    """Gemini's bytes pass; our own record of them counts right."""
    play = Playbook("gemini", "gemini")
    play.body()
    play.head()
    play.bytes(data)
    play.eof()
    assert play.sent == data
    assert (play.record.usage.input, play.record.usage.output) == (21, 9)


SNAKES = {"prompt_token_count": 21, "candidates_token_count": 7, "thoughts_token_count": 2}


def test_f087_counts_may_be_spelled_with_underscores() -> None:
    """As some of Gemini's SDKs and gateways write them; streamed and whole."""
    data = sse(gemini_chunk(None), gemini_chunk(SNAKES, key="usage_metadata", finish="STOP"))
    assert usage_of("claude", streamed("claude", "gemini", data)) == (21, 9)
    whole = answered("openai", "gemini", gemini_chunk(SNAKES, key="usage_metadata", finish="STOP"))
    assert (whole["usage"]["prompt_tokens"], whole["usage"]["completion_tokens"]) == (21, 9)


CLAUDE_COUNTS = {
    "input_tokens": 10,
    "cache_read_input_tokens": 200,
    "cache_creation_input_tokens": 3000,
    "output_tokens": 5,
}


def claude_stream(start: Doc | None, delta: Doc | None) -> bytes:
    message: Doc = {"id": "m", "type": "message", "role": "assistant", "model": "up", "content": [], "stop_reason": None}
    end: Doc = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    return named(
        {"type": "message_start", "message": message | ({"usage": start} if start is not None else {})},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        end | ({"usage": delta} if delta is not None else {}),
        {"type": "message_stop"},
    )


def claude_answer(usage: Doc) -> Doc:
    return {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "usage": usage}


def test_f088_claudes_cached_tokens_are_input_for_openai() -> None:
    """Its `input_tokens` leaves out what the cache served and what it stored; the total is the sum of all."""
    usage = answered("openai", "claude", claude_answer(CLAUDE_COUNTS))["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3210, 5, 3215)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 200


def test_f088_and_for_responses() -> None:
    """The same in its words."""
    usage = answered("responses", "claude", claude_answer(CLAUDE_COUNTS))["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (3210, 5, 3215)
    assert usage["input_tokens_details"]["cached_tokens"] == 200


def test_f088_and_in_streams() -> None:
    """For every client."""
    data = claude_stream({**CLAUDE_COUNTS, "output_tokens": 1}, {"output_tokens": 5})
    for client in CLIENTS:
        assert usage_of(client, streamed(client, "claude", data)) == (3210, 5), client


@pytest.mark.parametrize("upstream", ["claude", "openai"])
def test_f090_the_chunk_with_usage_has_an_empty_list_of_choices(upstream: str) -> None:
    """The SDK's type demands the member."""
    counts = {"prompt_tokens": 3, "completion_tokens": 2}
    data = {
        "claude": claude_stream({"input_tokens": 3, "output_tokens": 1}, {"output_tokens": 2}),
        "openai": openai_stream(chunk(content="Hi"), chunk("stop"), {"usage": counts}, finish=None),
    }
    events = streamed("openai", upstream, data[upstream])
    counted = [event for event in events if event.get("usage")]
    assert [event["choices"] for event in counted] == [[]]
    assert all("choices" in event for event in events)
    assert usage_of("openai", events) == (3, 2)


LATE = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30, "prompt_tokens_details": {"cached_tokens": 5}}
AFTER: Doc = {**chunk(), "choices": []}


def test_f091_message_delta_carries_the_input_that_openai_counts_at_the_end() -> None:
    """message_start went out long before."""
    events = streamed(
        "claude", "openai", openai_stream(chunk(content="Hi"), chunk("stop"), {**AFTER, "usage": LATE}, finish=None)
    )
    assert events[-2]["usage"]["input_tokens"] == 16
    assert events[-2]["usage"]["cache_read_input_tokens"] == 5
    assert events[-2]["usage"]["output_tokens"] == 9


@pytest.mark.parametrize(
    ("start", "delta"),
    [
        ({"input_tokens": 0, "output_tokens": 0}, CLAUDE_COUNTS),
        (None, CLAUDE_COUNTS),
        (CLAUDE_COUNTS, CLAUDE_COUNTS),
        ({**CLAUDE_COUNTS, "input_tokens": 4, "output_tokens": 1}, CLAUDE_COUNTS),
        ({**CLAUDE_COUNTS, "output_tokens": 1}, {"output_tokens": 5, "input_tokens": 0, "cache_read_input_tokens": None}),
        ({**CLAUDE_COUNTS, "output_tokens": 1}, {"output_tokens": 5}),
    ],
    ids=["in-the-delta", "in-the-delta-only", "in-both", "later-is-true", "zeros-later", "as-documented"],
)
@pytest.mark.parametrize("client", ["openai", "responses", "gemini", "ollama", "claude"])
def test_f092_claudes_counts_are_totals_wherever_they_stand(client: str, start: Doc | None, delta: Doc) -> None:
    """Set, never added up, and no zero takes a count back."""
    assert usage_of(client, streamed(client, "claude", claude_stream(start, delta))) == (3210, 5)


def test_f092_the_same_for_the_log_of_a_relayed_stream() -> None:
    """The bytes pass, the record holds what they said."""
    play = Playbook("claude", "claude")
    play.body()
    play.head()
    play.bytes(claude_stream({"input_tokens": 0, "output_tokens": 0}, CLAUDE_COUNTS))
    assert (play.record.usage.input, play.record.usage.cache_read, play.record.usage.output) == (3210, 200, 5)


NOTHING_YET: list[Any] = [None, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, {}]


@pytest.mark.parametrize("placeholder", NOTHING_YET, ids=["null", "zeros", "empty"])
@pytest.mark.parametrize("client", CLIENTS)
def test_f095_usage_that_says_nothing_is_not_the_last_word(client: str, placeholder: Any) -> None:
    """Null or zeros in each chunk, before and behind the real ones."""
    silent = {"usage": placeholder}
    chunks = [{**chunk(content="H"), **silent}, {**chunk(content="i"), **silent}, {**chunk("stop"), "usage": LATE}]
    data = openai_stream(*chunks, {**AFTER, **silent}, finish=None)
    assert usage_of(client, streamed(client, "openai", data)) == (21, 9)


def test_f095_the_same_for_the_log_of_a_relayed_stream() -> None:
    """The bytes pass, the record holds the real counts."""
    play = Playbook("openai", "openai")
    play.body()
    play.head()
    silent = {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    chunks = [{**chunk(content="Hi"), **silent}, {**chunk("stop"), "usage": LATE}, {**AFTER, **silent}]
    play.bytes(openai_stream(*chunks, finish=None))
    assert (play.record.usage.input, play.record.usage.output) == (21, 9)


@pytest.mark.parametrize("end", [DONE, b""], ids=["done", "end-of-body"])
def test_f096_message_delta_waits_for_the_usage_behind_the_finish(end: bytes) -> None:
    """GLM and Azure count in a chunk of their own, behind the one with the reason."""
    data = sse(chunk(content="Hi"), chunk("stop"), {**AFTER, "usage": LATE}) + end
    events = streamed("claude", "openai", data)
    assert usage_of("claude", events) == (21, 9)
    assert [event["type"] for event in events].count("message_delta") == 1
    assert blocks(events) == [{"type": "text", "text": "Hi"}]


def test_f096_and_is_sent_without_where_none_comes() -> None:
    """The end is not held back for ever."""
    for end in (DONE, b""):
        assert blocks(streamed("claude", "openai", sse(chunk(content="Hi"), chunk("stop")) + end))


QUESTION = {"role": "user", "content": "What is it like there?"}
TOOL = {"name": "get_weather", "description": "The weather of a city " * 20, "input_schema": {"type": "object"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def estimate(**said: Any) -> int:
    body = {"model": "m", "max_tokens": 9, "messages": [QUESTION], **said}
    return tokens.of_request(PROTOCOLS["claude"].chat.read_request(body, context_for("claude", "openai"), Call()))


@pytest.mark.parametrize(
    ("said", "least"),
    [
        ({"system": "You are terse. " * 100}, 300),
        ({"tools": [TOOL]}, 100),
        ({"messages": [QUESTION, {"role": "assistant", "content": "Nice. " * 100}, QUESTION]}, 150),
        ({"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": QUESTION["content"]}]}]}, 200),
    ],
    ids=["system", "tools", "turns", "image"],
)
def test_f098_the_estimate_counts_everything(said: Doc, least: int) -> None:
    """System, tools, all turns and images, not the last text alone; rather more than less, since clients stop by it."""
    assert estimate(**said) - estimate() >= least


@pytest.mark.parametrize(
    ("completion", "details", "reasoning"),
    [(9, {"reasoning_tokens": 50}, 9), (9, {"reasoning_tokens": None}, 0), (9, None, 0), (9, {"reasoning_tokens": -1}, 0)],
    ids=["more-than-all", "null", "no-details", "negative"],
)
def test_f100_reasoning_is_a_part_of_the_output(completion: int, details: Any, reasoning: int) -> None:
    """Where a vendor's numbers say otherwise, nothing becomes negative and nothing breaks."""
    counts = {"prompt_tokens": 21, "completion_tokens": completion, "completion_tokens_details": details}
    data = openai_stream(chunk(content="Hi"), chunk("stop"), {**AFTER, "usage": counts}, finish=None)
    gemini = _last(streamed("gemini", "openai", data), "usageMetadata")
    assert (gemini["candidatesTokenCount"], gemini.get("thoughtsTokenCount", 0)) == (completion - reasoning, reasoning)
    responses = streamed("responses", "openai", data)[-1]["response"]["usage"]
    assert responses["output_tokens_details"]["reasoning_tokens"] == reasoning
    for client in CLIENTS:
        assert usage_of(client, streamed(client, "openai", data)) == (21, 9), client


@pytest.mark.parametrize("cached", [5, 21, 50, None])
def test_f103_openais_cached_tokens_are_not_counted_twice_for_claude(cached: int | None) -> None:
    """`input_tokens` is what the cache did not serve; the sum is what OpenAI counted. Never below zero."""
    counts = {**LATE, "prompt_tokens_details": {"cached_tokens": cached}}
    events = streamed(
        "claude", "openai", openai_stream(chunk(content="Hi"), chunk("stop"), {**AFTER, "usage": counts}, finish=None)
    )
    served = min(cached or 0, 21)
    assert events[-2]["usage"]["input_tokens"] == 21 - served
    assert events[-2]["usage"]["cache_read_input_tokens"] == served
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    whole = answered("claude", "openai", {"choices": [choice], "usage": counts})["usage"]
    assert (whole["input_tokens"], whole["cache_read_input_tokens"]) == (21 - served, served)


def test_f103_and_the_other_way_the_sum_is_told() -> None:
    """See F088; here for a Claude client's counts going to OpenAI's and back through the same words."""
    openai = answered(
        "openai", "claude", claude_answer({"input_tokens": 16, "cache_read_input_tokens": 5, "output_tokens": 9})
    )
    assert openai["usage"]["prompt_tokens"] == 21
    assert answered("claude", "openai", openai)["usage"]["input_tokens"] == 16


@pytest.mark.parametrize(("client", "upstream"), [("openai", "claude"), ("claude", "claude"), ("openai", "openai")])
def test_f102_a_cancelled_answer_counts_what_the_upstream_had_said(client: str, upstream: str) -> None:
    """The log marks it, and keeps the counts that had come."""
    data = {
        "claude": claude_stream({**CLAUDE_COUNTS, "output_tokens": 1}, {"output_tokens": 5}),
        "openai": sse({**chunk(content="Hi"), "usage": {"prompt_tokens": 3210, "completion_tokens": 1}}, chunk("stop")),
    }[upstream]
    play = Playbook(client, upstream)
    play.body()
    play.head()
    play.bytes(data[: len(data) - len(data.split(b"\n\n")[-2]) - 2])
    assert play.take(play.exchange.client_gone(4.0)) == ["Abort", "Finished"]
    assert play.record.cancelled
    assert (play.record.usage.input, play.record.usage.output) == (3210, 1 if upstream == "openai" else 5)


COUNTED = {"claude": "input_tokens", "gemini": "totalTokens"}


def counting(client: str, upstream: str) -> list[Any]:
    """What the runtime is told of a count."""
    play = Playbook(client, upstream, stream=False)
    call = Call(model="alias" if client == "gemini" else "")
    exchange = Exchange(PROTOCOLS[client], play.context, call, play.route, [], operation="count")
    exchange.begin(0.0)
    return exchange.body(json.dumps(REQUESTS[client]).encode(), 1.0)


@pytest.mark.parametrize(
    ("client", "upstream"), [(client, upstream) for client in COUNTED for upstream in CLIENTS if client != upstream]
)
def test_f099_a_count_is_answered_here_when_the_upstream_speaks_otherwise(client: str, upstream: str) -> None:
    """Nothing is dialled, half translated or not."""
    reply, finished = counting(client, upstream)
    assert (type(reply).__name__, type(finished).__name__) == ("Reply", "Finished")
    assert reply.status == 200
    assert json.loads(reply.body)[COUNTED[client]] > 0


def test_f099_and_by_the_upstream_when_it_can() -> None:
    """Anthropic's own count is the true one."""
    (dial,) = counting("claude", "claude")
    assert dial.target == "/base/v1/messages/count_tokens"


# F094

WORDS = "The weather in Zürich is sunny today, as it was yesterday."
UNCOUNTED: dict[str, bytes] = {
    "openai": openai_stream(chunk(content=WORDS[:20]), chunk(content=WORDS[20:])),
    "claude": named(
        {
            "type": "message_start",
            "message": {"id": "m", "role": "assistant", "content": [], "usage": {"output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORDS}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ),
    "responses": named(
        {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"id": "i", "type": "message", "content": []}},
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": WORDS},
        {
            "type": "response.completed",
            "response": {
                "id": "r",
                "model": "m",
                "status": "completed",
                "output": [
                    {"id": "i", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": WORDS}]}
                ],
            },
        },
    ),
    "gemini": sse(gemini_chunk(None, text=WORDS[:30]), gemini_chunk(None, text=WORDS[30:], finish="STOP")),
    "ollama": lines(
        {"model": "m", "message": {"role": "assistant", "content": WORDS}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    ),
}
"""Streams of upstreams that count nothing."""


def exchanged(client: str, upstream: str, data: bytes, kind: str | None = None) -> Playbook:
    """The exchange of a request for an answer with these bytes, streamed unless it is JSON."""
    play = Playbook(client, upstream, stream=kind is None)
    play.body()
    play.head(headers=[("content-type", kind)] if kind else None)
    play.bytes(data)
    if play.exchange.state != "over":
        play.eof()
    return play


@pytest.mark.parametrize("upstream", UNCOUNTED)
@pytest.mark.parametrize("client", CLIENTS)
def test_f094_what_the_upstream_did_not_count_is_estimated_and_marked(client: str, upstream: str) -> None:
    """The log says that it is an estimate; no wire has a word for that. Converted answers carry it, since clients decide by
    it when to compact a session. Relayed ones are the upstream's own, but for Claude's message_delta (below)."""
    play = exchanged(client, upstream, UNCOUNTED[upstream])
    usage = play.record.usage
    assert usage.estimated
    assert 8 <= usage.output <= 30
    assert 1 <= usage.input <= 12
    if client != upstream:
        document = {**REQUESTS[client], "stream": True, "stream_options": {"include_usage": True}}
        play = Playbook(client, upstream)
        play.body(document)
        play.head()
        play.bytes(UNCOUNTED[upstream])
        if play.exchange.state != "over":
            play.eof()
        assert usage_of(client, records(client, play.sent)) == (usage.input, usage.output)
    elif client != "claude":
        renamed = [json.loads(json.dumps(record).replace('"alias"', '"m"')) for record in records(client, play.sent)]
        assert renamed == records(upstream, UNCOUNTED[upstream])


def test_f094_a_claude_stream_without_counts_is_given_them_on_its_way() -> None:
    """`usage.output_tokens` is demanded of message_delta, and the SDKs fail without it; of the rest nothing is touched."""
    play = exchanged("claude", "claude", UNCOUNTED["claude"])
    said = records("claude", play.sent)
    assert said[-2]["usage"]["output_tokens"] == play.record.usage.output > 8
    assert said[-2]["delta"] == {"stop_reason": "end_turn"}
    assert said[1:-2] == records("claude", UNCOUNTED["claude"])[1:-2]


@pytest.mark.parametrize("client", CLIENTS)
def test_f094_a_stream_that_its_client_left_is_counted_so_far(client: str) -> None:
    play = Playbook(client, "openai")
    play.body()
    play.head()
    play.bytes(UNCOUNTED["openai"][: -len(DONE) - 200])
    play.take(play.exchange.client_gone(4.0))
    assert play.record.usage.estimated
    assert 3 <= play.record.usage.output <= 15


WHOLE: dict[str, Doc] = {
    "openai": {"choices": [{"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}]},
    "claude": {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": WORDS}],
        "stop_reason": "end_turn",
    },
    "responses": json.loads(UNCOUNTED["responses"].rpartition(b"data: ")[2])["response"],
    "gemini": gemini_chunk(None, text=WORDS, finish="STOP"),
    "ollama": {"model": "m", "message": {"role": "assistant", "content": WORDS}, "done": True, "done_reason": "stop"},
}


@pytest.mark.parametrize("upstream", UNCOUNTED)
@pytest.mark.parametrize("client", CLIENTS)
def test_f094_whole_answers_likewise(client: str, upstream: str) -> None:
    body = json.dumps(WHOLE[upstream]).encode()
    play = exchanged(client, upstream, body, "application/json")
    usage = play.record.usage
    assert (usage.estimated, usage.output) == (True, 15)
    assert 1 <= usage.input <= 12
    answer = json.loads(play.sent)
    if client != upstream:
        counts = answer.get("usage") or answer.get("usageMetadata") or answer
        assert {usage.input, usage.output} <= {count for count in counts.values() if isinstance(count, int)}
    else:
        assert "usage" not in answer or not answer["usage"]


def test_f094_nothing_is_made_up_where_nothing_was_said() -> None:
    stream = openai_stream(chunk(content=""))
    assert exchanged("claude", "openai", stream).record.usage is None


def test_f094_an_upstreams_own_counts_stand() -> None:
    counted = UNCOUNTED["openai"].replace(
        DONE, sse({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}) + DONE
    )
    for client in CLIENTS:
        usage = exchanged(client, "openai", counted).record.usage
        assert (usage.input, usage.output, usage.estimated) == (7, 3, False)


@pytest.mark.parametrize("upstream", [name for name in UNCOUNTED if name != "responses"])
@pytest.mark.parametrize("client", CLIENTS)
def test_f094_words_that_come_one_by_one_count_like_those_that_come_at_once(client: str, upstream: str) -> None:
    """Records that repeat the one before are read in a shorter way."""
    end = b"\n" if upstream == "ollama" else b"\n\n"
    whole = UNCOUNTED[upstream].split(end)[:-1]
    at = next(number for number, record in enumerate(whole) if b"The weather" in record)
    stream = [record + end for record in [*whole[:at], *[whole[at]] * 30, *whole[at:]]]
    play = Playbook(client, upstream)
    play.body()
    play.head()
    for record in stream:
        if play.exchange.state == "committed":
            play.pump(record)
        else:
            play.bytes(record)
    play.ended() if play.exchange.done else play.eof()
    assert play.record.usage.output == exchanged(client, upstream, b"".join(stream)).record.usage.output > 100
