from __future__ import annotations

import base64
import itertools
import json
import random
import tracemalloc
from typing import Any

import pytest
from google.genai import errors

from ccproxy.codec import jsontext
from ccproxy.codec.sse import SSEReader
from ccproxy.errors import Broken, Malformed, RequestError, TimedOut, UpstreamError
from ccproxy.model import Citation, Extras, Image, Reasoning, Text, ToolCall, Usage
from ccproxy.protocols.gemini import stream as module
from ccproxy.protocols.gemini.stream import Decoder, Encoder, Tap, stream_type
from ccproxy.protocols.gemini.wire import read_signature
from ccproxy.stream import Collector
from tests.protocols.gemini.judge import client, context, data, judged, parts, payloads, said, strictly
from tests.tools import Recorder, cuts, decode, encode, recorded, recordings

SIGNED = base64.b64encode(b"signed call").decode()
LARGE = 20_000  # bytes; byte by byte a longer stream would only be slow


def encode_call(id: str) -> list[tuple[Any, ...]]:
    return [("tool_start", 0, id, "f", "function"), ("tool_end", 0)]


def pieces_of(stream: bytes) -> list[list[bytes]]:
    ways = list(cuts(stream))
    return ways if len(stream) < LARGE else [ways[0], *ways[2:]]


def decoded(stream: bytes, **given: Any) -> Recorder:
    """The calls, the same for every cut."""
    ways = [decode(Decoder, pieces, context(**given)) for pieces in pieces_of(stream)]
    calls = [[repr(call) for call in way.calls] for way in ways]
    assert all(one == calls[0] for one in calls)
    return ways[0]


def chunk(*parts: Any, **candidate: Any) -> bytes:
    inner = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **candidate}
    return b"data: " + json.dumps({"candidates": [inner]}).encode() + b"\r\n\r\n"


STOP = chunk(finishReason="STOP")


# -- Decoder


def test_text_with_late_usage() -> None:
    seen = decoded(data("stream-text.txt"))
    assert seen.named("start") == [("answer-1", "gemini-9-air", 0)]
    assert "".join(text for (text,) in seen.named("text")) == "Grüße from 東京 😀!"
    counts = seen.named("usage")[-1][0]
    assert (counts.input, counts.output, counts.reasoning, counts.cache_read) == (9, 8, 3, 4)
    assert seen.calls[-2][0] == "usage"
    assert seen.calls[-1] == ("finish", "stop")


def test_thinking_and_calls() -> None:
    seen = decoded(data("stream-calls.txt"), tool_names={"now": "what.time"})
    assert [call for call in seen.calls if call[0] not in ("usage", "start")] == [
        ("thinking", "Two cities."),
        ("text", "Looking"),
        ("signature", SIGNED, "gemini"),
        ("tool_start", 0, "c-1", "weather"),
        ("tool_arguments", 0, '{"city":"Oslo","days":98765432109876543210}'),
        ("tool_end", 0),
        ("tool_start", 1, f"call_{'0' * 24}1", "what.time"),
        ("tool_arguments", 1, "{}"),
        ("tool_end", 1),
        ("finish", "tool_calls"),
    ]


def test_arguments_in_pieces() -> None:
    seen = decoded(data("stream-partial.txt"))
    assert seen.named("signature") == [("cGllY2Vz", "gemini")]
    assert seen.named("tool_start") == [(0, "call_" + "0" * 24, "book")]
    (arguments,) = seen.named("tool_arguments")
    expected = {"guest": {"name": "Ada Lovelace"}, "nights": [3], "sea view": False, "note": None}
    assert json.loads(arguments[1]) == expected
    assert seen.calls[-1] == ("finish", "tool_calls")


def test_an_array_instead_of_events() -> None:
    seen = decoded(b" \n" + data("stream-array.txt"))
    assert seen.named("text") == [('a ["bracket"], a }brace',)]
    assert seen.named("signature") == [("bGFzdCB3b3Jk", "gemini")]
    assert seen.calls[-1] == ("finish", "length")


def test_sources_code_and_pictures() -> None:
    seen = decoded(data("stream-grounded.txt"))
    first, second = (citation for (citation,) in seen.named("citation"))
    assert (first.url, first.title, first.cited, first.start, first.end) == (
        "https://fox.example/a",
        "Foxes",
        "Füchse",
        0,
        6,
    )
    assert second.url == "https://fox.example/b"
    assert seen.named("media") == [(Image(mime="image/png", data="iVBORw0KGgo="),)]
    code, facts = seen.named("opaque")
    assert code[1] == {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    assert set(facts[1]) == {"groundingMetadata"}
    assert not seen.named("tool_start")
    assert seen.calls[-1] == ("finish", "stop")


@pytest.mark.parametrize(
    ("stream", "finish"),
    [
        (chunk({"text": "a"}), "stop"),
        (chunk({"text": "a"}) + STOP, "stop"),
        (chunk({"text": "a"}, finishReason="MAX_TOKENS"), "length"),
        (chunk({"functionCall": {"name": "f"}}, finishReason="MAX_TOKENS"), "length"),
        (chunk({"functionCall": {"name": "f"}}), "tool_calls"),
        (chunk({"functionCall": {"name": "f", "willContinue": True}}) + STOP, "tool_calls"),
        (chunk({"text": "a"}, finishReason="RECITATION"), "content_filter"),
        (chunk({"functionCall": {"name": "f"}}, finishReason="SAFETY"), "content_filter"),
        (chunk({"text": "a"}, finishReason="stop"), "stop"),
        (chunk({"text": "a"}, finishReason="SOMETHING_NEW"), "stop"),
        (chunk({"text": "a"}, finishReason="OTHER"), "stop"),
        (b'data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}\n\n', "content_filter"),
        (b'data:{"usageMetadata":{"totalTokenCount":0}}\n\n', "stop"),
        (STOP.strip(), "stop"),
        (STOP.replace(b"\r\n", b"\r"), "stop"),
        (b'[{"candidates":[{"finishReason":"STOP"}]},', "stop"),
    ],
)
def test_ends(stream: bytes, finish: str) -> None:
    assert decoded(stream).calls[-1] == ("finish", finish)


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        (b"", Broken, "empty"),
        (b"\n\n", Broken, "empty"),
        (b": only a comment\n\n", Broken, "empty"),
        (b"[]", Broken, "empty"),
        (b"data: {nonsense\n\n", Malformed, "not JSON"),
        (b"data: 5\n\n", Malformed, "no JSON object"),
        (b'data: {"candidates":{}, "a":1}\n\ndata: {"candidates":7}\n\n', Malformed, "no list"),
        (chunk({"text": 5}), Malformed, "no string"),
        (chunk("text"), Malformed, "no object"),
        (chunk({"functionCall": {"name": "f", "args": []}}), Malformed, "arguments"),
        (chunk({"functionCall": {"name": "f", "willContinue": True}}), Broken, "within a function call"),
        (b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}', Broken, "before its end"),
        (b'[{"candidates":[{"finishReason":"STOP"}]}] x', Malformed, "follow"),
        (chunk(finishReason="MALFORMED_FUNCTION_CALL"), UpstreamError, "MALFORMED_FUNCTION_CALL"),
        (chunk(finishReason="OTHER"), UpstreamError, "OTHER"),
    ],
)
def test_what_cannot_be_an_answer(stream: bytes, error: type[UpstreamError], words: str) -> None:
    name, raised = decoded(stream).calls[-1]
    assert name == "error"
    assert type(raised) is error
    assert words in raised.message


def test_an_id_that_comes_twice_is_one_calls_only() -> None:
    call = {"functionCall": {"name": "f", "args": {}, "id": "c-1"}}
    ids = [start[1] for start in decoded(chunk(call, call) + STOP).named("tool_start")]
    assert ids[0] == "c-1"
    assert len(set(ids)) == 2


def test_a_call_that_may_be_cut_off_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(module, "is_whole", lambda call: bool(looked.append(call.id)))
    calls = [
        one
        for key in range(9)
        for one in (("tool_start", key, f"c{key}", "f"), ("tool_arguments", key, "{"), ("tool_end", key))
    ]
    encode(Encoder(context()), [("start", "", "m", 0), *calls, ("finish", "length", None)])
    assert looked == [f"c{key}" for key in range(9)]


def test_what_came_before_trailing_bytes_is_told_at_any_cut() -> None:
    seen = decoded(b'[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}] x')
    assert [call[0] for call in seen.calls] == ["start", "text", "error"]


def test_blanks_before_the_first_chunk_are_not_kept() -> None:
    decoder = Decoder(context(), Recorder())
    tracemalloc.start()
    for _ in range(200):
        decoder.feed(b"\n" * 1_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 50_000


@pytest.mark.parametrize("wrap", [b"data: %s\r\n\r\n", b"data: [%s]\n\n", b"[%s]"])
def test_an_error_in_the_stream(wrap: bytes) -> None:
    stream = wrap % b'{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}'
    name, error = decoded(stream).calls[-1]
    assert (name, error.status, error.message) == ("error", 503, "overloaded")


def test_nothing_comes_after_an_error() -> None:
    seen = decoded(b'data: {"error":{"status":"RESOURCE_EXHAUSTED"}}\n\n' + chunk({"text": "late"}))
    assert [call[0] for call in seen.calls] == ["error"]
    assert seen.calls[0][1].status == 429


def test_the_decoder_is_done_at_the_end_of_the_body() -> None:
    decoder = Decoder(context(), Recorder())
    decoder.feed(STOP)
    assert not decoder.done
    decoder.eof()
    assert decoder.done


@pytest.mark.parametrize("case", recordings("gemini"))
def test_recorded_streams_decode_at_every_cut(case: dict[str, Any]) -> None:
    seen = decoded(recorded(case))
    assert seen.calls[0][0] == "start"
    assert seen.calls[-1][0] == "finish"


@pytest.mark.parametrize("case", recordings("malformed"))
def test_malformed_recordings_raise_what_is_allowed(case: dict[str, Any]) -> None:
    if case["protocol"] == "gemini":
        assert decoded(recorded(case)).calls[-1][0] in ("error", "finish")


def test_mutated_streams_raise_malformed_or_broken_only() -> None:
    chance = random.Random(7)
    whole = data("stream-calls.txt") + data("stream-partial.txt") + data("stream-grounded.txt")
    values = [b"null", b"7", b'"x"', b"[]", b"{}", b"[1]", b'{"a":1}', b"true", b"1e999", b""]
    for _ in range(600):
        mutated = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(mutated))
            end = min(len(mutated), at + chance.randint(1, 30))
            mutated[at:end] = chance.choice(values)
        decode(Decoder, [bytes(mutated)], context())  # CcproxyErrors become calls, anything else fails the test


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *itertools.chain.from_iterable(places(one, (*way, key)) for key, one in inner)]


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"a": 7}, True, -1.5])
@pytest.mark.parametrize("name", ["stream-calls.txt", "stream-partial.txt", "stream-grounded.txt"])
def test_wrong_types_anywhere(name: str, wrong: Any) -> None:
    reader = SSEReader()
    chunks = [json.loads(payload) for payload in reader.feed(data(name))]
    for number, original in enumerate(chunks):
        for way in places(original)[1:]:
            changed = json.loads(json.dumps(original))
            inner = changed
            for step in way[:-1]:
                inner = inner[step]
            inner[way[-1]] = wrong
            records = [*chunks[:number], changed, *chunks[number + 1 :]]
            decode(Decoder, [b"".join(b"data: %s\n\n" % json.dumps(r).encode() for r in records)], context())


# -- Encoder


def test_the_stream_of_a_text() -> None:
    usage = Usage(10, 8, 4, 0, 3)
    stream = encode(
        Encoder(context()), [("start", "id-1", "up", 0), ("text", 'a"\n€'), ("usage", usage), ("finish", "stop")]
    )
    assert stream.endswith(b"\r\n\r\n")
    first, last = judged(stream)
    assert first.text == 'a"\n€'
    assert (first.model_version, first.response_id) == ("asked-for", "id-1")
    assert said([first, last])["ends"] == ["STOP"]
    counts = last.usage_metadata
    assert counts is not None
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count) == (10, 5, 3)
    assert (counts.cached_content_token_count, counts.total_token_count) == (4, 18)


def test_the_array_of_a_text() -> None:
    encoder = Encoder(context(shape="array"))
    stream = encode(
        encoder, [("start", "", "up", 0), ("thinking", "hm"), ("text", "a"), ("text", "b"), ("finish", "length")]
    )
    documents = json.loads(stream)
    assert said([strictly(one) for one in documents]) == {
        "text": "ab",
        "thinking": "hm",
        "calls": [],
        "ends": ["MAX_TOKENS"],
    }
    assert len({one["responseId"] for one in documents}) == 1


CALLS: list[tuple[Any, ...]] = [
    ("start", "", "", 0),
    ("thinking", "I need two tools"),
    ("signature", "c2ln", "gemini"),
    ("tool_start", 3, "a-1", "weather"),
    ("tool_start", 4, "b-2", "now"),
    ("tool_arguments", 3, '{"city": '),
    ("tool_end", 4),
    ("text", "meanwhile"),
    ("tool_arguments", 3, '"Oslo",\n "n": 98765432109876543210}'),
    ("tool_end", 3),
    ("finish", "tool_calls"),
]


@pytest.mark.parametrize("shape", ["sse", "array"])
def test_calls_leave_whole_and_in_order(shape: str) -> None:
    stream = encode(Encoder(context(shape=shape)), CALLS)
    chunks = [strictly(one) for one in payloads(stream)]
    assert said(chunks) == {
        "text": "meanwhile",
        "thinking": "I need two tools",
        "calls": [("a-1", "weather", {"city": "Oslo", "n": 98765432109876543210}), ("b-2", "now", {})],
        "ends": ["STOP"],
    }
    signed = [part for part in parts(chunks) if part.thought_signature]
    assert [(part.function_call and part.function_call.id, part.thought_signature) for part in signed] == [("a-1", b"sig")]
    assert b"98765432109876543210" in stream


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("", "function", {}),
        ("  ", "function", {}),
        ("null", "function", {}),
        ('{"a":1.0}', "function", {"a": 1.0}),
        ('{"a":"é"}', "function", {"a": "é"}),
        ('{"a":', "function", {"raw": '{"a":'}),
        ("[1]", "function", {"raw": "[1]"}),
        ("ls -l", "custom", {"input": "ls -l"}),
        ('{"a":1}', "custom", {"input": '{"a":1}'}),
        ("", "custom", {"input": ""}),
    ],
)
def test_arguments_are_an_object(text: str, kind: str, expected: dict[str, Any]) -> None:
    calls = [("start", "", "", 0), ("tool_start", 0, "x", "f", kind), ("tool_arguments", 0, text), ("tool_end", 0)]
    stream = encode(Encoder(context()), [*calls, ("finish", "tool_calls")])
    assert said(judged(stream))["calls"] == [("x", "f", expected)]


def test_a_call_that_was_cut_off_is_not_handed_out() -> None:
    """A client would run it (F063)."""
    cut = [("tool_start", 0, "x", "f"), ("tool_arguments", 0, '{"a":'), ("tool_end", 0)]
    whole = [("tool_start", 1, "y", "f"), ("tool_arguments", 1, '{"a":1}'), ("tool_end", 1)]
    heard = said(judged(encode(Encoder(context()), [("start", "", "", 0), *cut, *whole, ("finish", "length")])))
    assert (heard["calls"], heard["ends"]) == ([("y", "f", {"a": 1})], ["MAX_TOKENS"])


@pytest.mark.parametrize(
    ("calls", "holder"),
    [
        ([("text", "a"), ("signature", "s", "claude"), ("text", "b")], {"text": "b"}),
        ([("signature", "s", "claude"), ("media", Image(mime="image/png", data="iVBORw0KGgo="))], {"inlineData"}),
        ([("thinking", "t"), ("signature", "s", "claude")], {"text": ""}),
        ([("signature", "t", "claude"), ("signature", "s", "claude")], {"text": ""}),
    ],
)
def test_a_foreign_signature_waits_for_its_part(calls: list[tuple[Any, ...]], holder: Any) -> None:
    stream = encode(Encoder(context()), [("start", "", "", 0), *calls, ("finish", "stop")])
    assert len(judged(stream)) >= 1  # the SDK decodes the base64 of every signature
    every = [part for one in payloads(stream) for part in one["candidates"][0]["content"]["parts"]]
    part = next(p for p in every if read_signature(p.get("thoughtSignature", "")).signature == "s")
    assert holder == ({"inlineData"} if "inlineData" in part else {"text": part["text"]})


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([("thinking", "h"), ("thinking", "m"), ("signature", "s", "claude"), ("text", "a")], "hm"),
        ([("thinking", "hm"), ("signature", "s", "claude"), *encode_call("1")], "hm"),
        ([("thinking", "hm"), ("text", "a"), ("signature", "s", "claude")], ""),
        ([("thinking", "hm"), *encode_call("1"), ("signature", "s", "claude")], ""),
        ([("thinking", "x"), ("signature", "t", "claude"), ("thinking", "hm"), ("signature", "s", "claude")], "hm"),
        ([("thinking", "x"), ("redacted", "t", "claude"), ("signature", "s", "claude")], ""),
    ],
)
def test_a_signature_brings_its_thought_along(calls: list[tuple[Any, ...]], words: str) -> None:
    """Gemini CLI sends a signature back and leaves the thought out, which the thought's maker refuses."""
    stream = encode(Encoder(context()), [("start", "", "", 0), *calls, ("finish", "stop")])
    every = [part for one in payloads(stream) for part in one["candidates"][0]["content"]["parts"]]
    signed = [read_signature(part["thoughtSignature"]) for part in every if "thoughtSignature" in part]
    assert signed[-1] == Reasoning(words, signature="s", origin="claude")


def test_a_redacted_thought_comes_back() -> None:
    stream = encode(
        Encoder(context()), [("start", "", "", 0), ("redacted", "blob", "claude"), ("text", "a"), ("finish", "stop")]
    )
    part = payloads(stream)[0]["candidates"][0]["content"]["parts"][0]
    assert read_signature(part["thoughtSignature"]) == Reasoning(redacted="blob", origin="claude")


def test_every_chunk_has_a_part_or_chats_forget_the_turn() -> None:
    stream = encode(Encoder(context()), [("start", "", "", 0), ("text", "hello"), ("finish", "stop")])
    chat = client(stream).chats.create(model="m")
    assert "".join(one.text or "" for one in chat.send_message_stream("?")) == "hello"
    history = chat.get_history(curated=True)
    assert [content.role for content in history][:2] == ["user", "model"]


def test_empty_texts_only_where_the_end_needs_a_part() -> None:
    calls = [("start", "", "", 0), ("text", ""), ("thinking", ""), ("refusal", "no"), ("finish", "refusal")]
    chunks = payloads(encode(Encoder(context()), calls))
    assert [one["candidates"][0]["content"]["parts"] for one in chunks] == [[{"text": "no"}], [{"text": ""}]]
    assert chunks[-1]["candidates"][0]["finishReason"] == "SAFETY"


def test_citations_become_sources() -> None:
    cited = [
        ("citation", Citation("openai", {}, url="https://a.example", title="A")),
        ("citation", Citation("gemini", {}, "u")),
    ]
    stream = encode(Encoder(context()), [("start", "", "", 0), ("text", "x"), *cited, ("finish", "stop")])
    last = judged(stream)[-1]
    assert last.candidates is not None
    grounding = last.candidates[0].grounding_metadata
    assert grounding is not None
    assert [chunk.web.uri for chunk in grounding.grounding_chunks or [] if chunk.web] == ["https://a.example"]


def test_own_opaque_blocks_are_replayed_and_others_are_not() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    calls = [("opaque", "gemini", code), ("opaque", "claude", {"type": "x"}), ("opaque", "gemini", {"avgLogprobs": -0.5})]
    chunks = payloads(encode(Encoder(context()), [("start", "", "", 0), *calls, ("finish", "stop")]))
    assert chunks[0]["candidates"][0]["content"]["parts"] == [code]
    assert len(chunks) == 2
    assert chunks[1]["candidates"][0]["avgLogprobs"] == -0.5


FAILURE = TimedOut("the upstream was silent for 300 seconds", code="timeout")


@pytest.mark.parametrize("before", [[], [("start", "", "", 0)], CALLS[:-1], CALLS[:6]])
def test_an_error_reaches_the_user_of_the_sdk(before: list[tuple[Any, ...]]) -> None:
    encoder = Encoder(context())
    stream = encode(encoder, [*before, ("error", FAILURE)])
    assert encoder.done
    assert encoder.failure is FAILURE
    with pytest.raises(errors.ServerError, match="silent") as raised:
        judged(stream)
    assert (raised.value.code, raised.value.status) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("before", [[], [("start", "", "", 0)], CALLS[:-1], CALLS[:6]])
def test_an_array_is_legal_however_it_ends(before: list[tuple[Any, ...]]) -> None:
    encoder = Encoder(context(shape="array"))
    stream = encode(encoder, before)
    stream += encoder.keepalive() + encode(encoder, [("error", FAILURE)])
    assert json.loads(stream)[-1]["error"]["code"] == 504


def test_a_call_that_broke_off_is_not_sent() -> None:
    stream = encode(Encoder(context()), [*CALLS[:5], ("error", FAILURE)])
    assert b"functionCall" not in stream


@pytest.mark.parametrize("round", range(20))
def test_any_legal_order_is_a_legal_stream(round: int) -> None:
    calls = legal_calls(random.Random(round))
    for shape in ("sse", "array"):
        stream = encode(Encoder(context(shape=shape)), calls)
        chunks = [strictly(one) for one in payloads(stream)]
        collector = Collector()
        encode_into(collector, calls)
        assert said(chunks)["text"] == "".join(p.text for p in collector.answer.parts if isinstance(p, Text))
        made = [p for p in collector.answer.parts if isinstance(p, ToolCall)]
        assert [(i, n) for i, n, _ in said(chunks)["calls"]] == [(p.id, p.name) for p in made]
        assert len(said(chunks)["ends"]) == 1


def encode_into(sink: Any, calls: list[tuple[Any, ...]]) -> None:
    for name, *arguments in calls:
        getattr(sink, name)(*arguments)


def legal_calls(chance: random.Random) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = [("start", "", "up", 0)]
    waiting: list[int] = []
    for number in range(chance.randint(0, 25)):
        kind = chance.choice(["text", "thinking", "signature", "redacted", "tool", "arguments", "end", "usage"])
        if kind in ("text", "thinking"):
            calls.append((kind, chance.choice(["a", "\n", "é😀", '"', "\\"])))
        elif kind in ("signature", "redacted"):
            calls.append((kind, "c2ln", chance.choice(["claude", "responses"])))
        elif kind == "tool":
            calls.append(("tool_start", number, f"id{number}", "f"))
            waiting.append(number)
        elif kind == "usage":
            calls.append(("usage", Usage(number, 1)))
        elif waiting and kind == "arguments":
            calls.append(("tool_arguments", chance.choice(waiting), "{}"))
            calls.append(("tool_end", waiting.pop(waiting.index(calls[-1][1]))))
        elif waiting:
            calls.append(("tool_end", waiting.pop(chance.randrange(len(waiting)))))
    return [*calls, *(("tool_end", key) for key in waiting), ("finish", chance.choice(["stop", "length", "tool_calls"]))]


def test_signs_of_life_pass_unseen() -> None:
    encoder = Encoder(context())
    alive = encoder.keepalive()
    stream = alive + encode(encoder, [("start", "", "", 0), ("text", "a")]) + alive
    stream += encode(encoder, [("text", "b")]) + alive + alive + encode(encoder, [("finish", "stop")])
    assert said(judged(stream))["text"] == "ab"


@pytest.mark.parametrize(("shape", "kind"), [("sse", "text/event-stream"), ("array", "application/json")])
def test_the_content_type(shape: str, kind: str) -> None:
    assert stream_type(context(shape=shape)) == kind


@pytest.mark.parametrize("shape", ["sse", "array"])
@pytest.mark.parametrize("case", recordings("gemini"))
def test_recorded_streams_survive_decoder_and_encoder(case: dict[str, Any], shape: str) -> None:
    collector, encoder = Collector(), Encoder(context(shape=shape))
    for sink in (collector, encoder):
        decoder = Decoder(context(), sink)
        decoder.feed(recorded(case))
        decoder.eof()
    stream = encoder.take()
    chunks = judged(stream) if shape == "sse" else [strictly(without_news(one)) for one in payloads(stream)]
    texts = [part for part in collector.answer.parts if isinstance(part, Text)]
    calls = [part for part in collector.answer.parts if isinstance(part, ToolCall)]
    heard = said(chunks)
    assert heard["text"] == "".join(part.text for part in texts)
    assert heard["calls"] == [(call.id, call.name, json.loads(str(call.arguments))) for call in calls]
    usage = chunks[-1].usage_metadata
    if collector.answer.usage is not None:
        assert usage is not None
        assert usage.prompt_token_count is not None
        assert usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0) == collector.answer.usage.input


def without_news(payload: dict[str, Any]) -> dict[str, Any]:
    """Without what Gemini says and the SDK's types do not know."""
    payload.get("usageMetadata", {}).pop("serviceTier", None)
    return payload


# -- Tap


def tapped(stream: bytes) -> tuple[Tap, list[bytes | None]]:
    tap, reader = Tap(context()), SSEReader()
    return tap, [tap.look(payload) for payload in reader.feed(stream) + reader.eof()]


@pytest.mark.parametrize("name", ["stream-text.txt", "stream-calls.txt", "stream-partial.txt", "stream-grounded.txt"])
def test_the_tap_lets_everything_pass_and_keeps_usage(name: str) -> None:
    tap, changes = tapped(data(name))
    assert set(changes) == {None}
    assert tap.usage is not None
    assert not tap.done  # usage may follow the finish reason
    assert tap.eof() == b""
    assert tap.done


def test_the_tap_ends_a_stream_that_lacks_its_end() -> None:
    tap, _ = tapped(chunk({"text": "a"}))
    assert said(judged(chunk({"text": "a"}) + tap.eof()))["ends"] == ["STOP"]


@pytest.mark.parametrize(
    ("stream", "words"), [(b"", "empty"), (chunk({"functionCall": {"name": "f", "willContinue": True}}), "within")]
)
def test_the_tap_refuses_an_end(stream: bytes, words: str) -> None:
    tap, _ = tapped(stream)
    with pytest.raises(Broken, match=words):
        tap.eof()


def test_the_tap_reports_a_failure() -> None:
    stream = chunk({"text": "a"})
    tap, _ = tapped(stream)
    with pytest.raises(errors.ServerError, match="silent"):
        judged(stream + tap.fail(FAILURE))


def test_the_tap_does_not_spoil_an_answer_that_was_complete() -> None:
    tap, _ = tapped(STOP)
    assert tap.fail(FAILURE) == b""


def test_the_tap_sees_the_upstreams_error() -> None:
    tap, _ = tapped(b'data: {"error":{"code":429,"message":"slow down"}}\n\n')
    assert tap.failure is not None
    assert (tap.failure.status, tap.eof()) == (429, b"")


@pytest.mark.parametrize("payload", [b"{", b"7", b"[1,2]", b'{"candidates":7}', b'{"usageMetadata":7}'])
def test_the_tap_refuses_what_is_no_chunk(payload: bytes) -> None:
    with pytest.raises(Malformed):
        Tap(context()).look(payload)


def test_reprs_show_the_state() -> None:
    assert "calls=0" in repr(Encoder(context()))
    assert "reason" in repr(Decoder(context(), Recorder()))
    assert "finished=False" in repr(Tap(context()))


def test_own_extras_of_usage_come_back() -> None:
    usage = Usage(13, 5, extras=Extras("gemini", {"toolUsePromptTokenCount": 3, "trafficType": "ON_DEMAND"}))
    last = payloads(encode(Encoder(context()), [("start", "", "", 0), ("usage", usage), ("finish", "stop")]))[-1]
    assert last["usageMetadata"] == {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 3,
        "candidatesTokenCount": 5,
        "totalTokenCount": 18,
        "trafficType": "ON_DEMAND",
    }


def test_a_request_error_in_the_stream_keeps_its_words() -> None:
    document = payloads(encode(Encoder(context()), [("error", RequestError("no", param="contents"))]))[0]
    assert document["error"]["status"] == "INVALID_ARGUMENT"
    assert jsontext.dumps(document).startswith(b'{"error":')  # how Python's SDK tells an error


def test_arguments_that_nest_too_deep_to_be_written_are_malformed() -> None:
    nested = '{"a":' * 1000 + "1" + "}" * 1000
    call = f'{{"functionCall":{{"name":"f","args":{nested}}}}}'
    chunk = f'data: {{"candidates":[{{"content":{{"parts":[{call}]}}}}]}}\r\n\r\n'
    *_, (name, error) = decode(Decoder, [chunk.encode()], context()).calls
    assert name == "error"
    assert isinstance(error, Malformed)
    assert "nested deeper" in error.message
