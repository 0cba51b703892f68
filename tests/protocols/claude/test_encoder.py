"""Claude's stream, written: any legal order of calls becomes a stream that Anthropic's own SDK reads."""

from __future__ import annotations

import json
import random
from typing import Any

import anthropic
import pytest

from ccproxy.errors import Broken, RequestError, TimedOut, UpstreamError
from ccproxy.model import Audio, Citation, Context, Extras, Image, Usage, seal, unsigned
from ccproxy.protocols.claude.encoder import Encoder
from ccproxy.protocols.claude.terms import NAME
from tests.protocols.claude.judge import ASK, client, judged, said
from tests.tools import encode

ID = "0123456789abcdef01234567"
START = ("start", "chatcmpl-1", "gpt-stub", 1)
STOP = ("finish", "stop", None)


def context(**fields: Any) -> Context:
    return Context(**{"client": NAME, "upstream": "openai", "id": ID, "model": "my-model", **fields})


def written(*calls: tuple[Any, ...], **fields: Any) -> bytes:
    return encode(Encoder(context(**fields)), list(calls))


def message(*calls: tuple[Any, ...], **fields: Any) -> Any:
    return judged(written(*calls, **fields))


def call(key: int, *pieces: str, end: bool = True) -> list[tuple[Any, ...]]:
    made: list[tuple[Any, ...]] = [("tool_start", key, f"call_{key}", f"tool_{key}")]
    made += [("tool_arguments", key, piece) for piece in pieces]
    return [*made, ("tool_end", key)] if end else made


UNSIGNED = unsigned("openai")

CASES: dict[str, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]] = {
    "text": ([("text", "Hel"), ("text", "lo 🦦\n\u2028")], [("text", "Hello 🦦\n\u2028")]),
    "a refusal is text": ([("refusal", "No.")], [("text", "No.")]),
    "nothing at all": ([], []),
    "a thought only": ([("thinking", "Hm.")], [("thinking", "Hm.", UNSIGNED)]),
    "a foreign thought is marked": (
        [("thinking", "Hm"), ("thinking", "m."), ("text", "So.")],
        [("thinking", "Hmm.", UNSIGNED), ("text", "So.")],
    ),
    "its own signature passes": (
        [("thinking", "Hm."), ("signature", "Sig", NAME), ("text", "So.")],
        [("thinking", "Hm.", "Sig"), ("text", "So.")],
    ),
    "a foreign signature is sealed": (
        [("thinking", "Hm."), ("signature", "Sig", "gemini"), ("thinking", "Two."), ("signature", "Sag", "gemini")],
        [("thinking", "Hm.", seal("Sig", "gemini", NAME)), ("thinking", "Two.", seal("Sag", "gemini", NAME))],
    ),
    "a bare signature": (
        [("signature", "Sig", "gemini"), *call(0, "{}")],
        [("thinking", "", seal("Sig", "gemini", NAME)), ("tool", "call_0", "tool_0", {})],
    ),
    "redacted thoughts": (
        [("redacted", "R", NAME), ("redacted", "S", "responses")],
        [("redacted", "R"), ("redacted", seal("S", "responses", NAME))],
    ),
    "thinking right before a call": (
        [("thinking", "Hm."), *call(0, '{"a"', ":1}")],
        [("thinking", "Hm.", UNSIGNED), ("tool", "call_0", "tool_0", {"a": 1})],
    ),
    "thinking after a call": (
        [("thinking", "A"), *call(0), ("thinking", "B"), ("text", "C")],
        [("thinking", "A", UNSIGNED), ("tool", "call_0", "tool_0", {}), ("thinking", "B", UNSIGNED), ("text", "C")],
    ),
    "calls that interleave": (
        [
            *call(0, '{"a":', end=False),
            *call(1, '{"b":', end=False),
            *call(2, '{"c":3}'),
            ("tool_arguments", 1, "2}"),
            ("tool_arguments", 0, "1}"),
            ("tool_end", 0),
            ("tool_end", 1),
        ],
        [
            ("tool", "call_0", "tool_0", {"a": 1}),
            ("tool", "call_1", "tool_1", {"b": 2}),
            ("tool", "call_2", "tool_2", {"c": 3}),
        ],
    ),
    "calls that end together": (
        [*call(0, "{}", end=False), *call(1, '{"b":2}', end=False), ("tool_end", 1), ("tool_end", 0)],
        [("tool", "call_0", "tool_0", {}), ("tool", "call_1", "tool_1", {"b": 2})],
    ),
    "what comes in the middle of a call waits": (
        [
            *call(0, '{"a":', end=False),
            ("text", "\n"),
            ("thinking", "Hm."),
            ("signature", "Sig", NAME),
            ("redacted", "R", NAME),
            ("opaque", NAME, {"type": "compaction", "content": "so far"}),
            ("citation", Citation("responses", {}, "https://x.example/")),
            *call(1),
            ("text", "End."),
            ("tool_arguments", 0, "1}"),
            ("tool_end", 0),
        ],
        [
            ("tool", "call_0", "tool_0", {"a": 1}),
            ("text", "\n"),
            ("thinking", "Hm.", "Sig"),
            ("redacted", "R"),
            ("opaque", "compaction"),
            ("tool", "call_1", "tool_1", {}),
            ("text", "End."),
        ],
    ),
    "free text for a tool": (
        [
            ("tool_start", 0, "a", "patch", "custom"),
            ("tool_arguments", 0, 'x = "'),
            ("tool_arguments", 0, '1"\n'),
            ("tool_end", 0),
        ],
        [("tool", "a", "patch", {"input": 'x = "1"\n'})],
    ),
    "ids that the API would not take back": (
        [("tool_start", 0, "functions.get:0", "get"), ("tool_end", 0)],
        [("tool", "functions_get_0_37f3a6bd", "get", {})],
    ),
    "pictures": ([("media", Image(mime="image/png", data="iVBORw0KGgo="))], [("text", "")]),
    "another protocol's own": ([("opaque", "responses", {"type": "web_search_call"}), ("text", "Hi")], [("text", "Hi")]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sdk_understands(name: str) -> None:
    calls, expected = CASES[name]
    found = said(message(START, *calls, STOP))
    if name == "ids that the API would not take back":
        assert found[0][1].startswith("functions_get_0_")
    elif name == "pictures":
        assert "image left out" in found[0][1]
    else:
        assert found == expected


def test_the_bytes_of_a_stream() -> None:
    stream = written(START, ("text", "Hi"), ("usage", Usage(9, 2, 3, 1)), ("finish", "length", None), input_estimate=7)
    assert stream.decode().split("\n\n") == [
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_0123456789abcdef01234567",'
        '"type":"message","role":"assistant","model":"my-model","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,'
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}',
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}',
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}',
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},'
        '"usage":{"input_tokens":5,"cache_creation_input_tokens":1,"cache_read_input_tokens":3,"output_tokens":2}}',
        'event: message_stop\ndata: {"type":"message_stop"}',
        "",
    ]


def test_message_start_says_what_is_known_of_the_input() -> None:
    encoder = Encoder(context(upstream=NAME))
    encoder.start("msg_theirs", "claude-stub", 0)
    encoder.usage(Usage(20, 1, 5, 3))
    assert encoder.take() == b""
    encoder.text("Hi")
    event = json.loads(encoder.take().partition(b"data: ")[2].partition(b"\n\n")[0])
    assert event["message"]["id"] == "msg_theirs"
    assert event["message"]["usage"]["input_tokens"] == 12


def test_a_silent_answer_has_an_empty_text_block() -> None:
    for calls in ([], [("thinking", "Hm.")], [("redacted", "R", NAME)]):
        last = message(START, *calls, STOP).content[-1]
        assert (last.type, last.text) == ("text", "")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("stop_sequence", "stop_sequence"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("refusal", "refusal"),
        ("pause", "pause_turn"),
        ("error", "end_turn"),
    ],
)
def test_why_it_ended(finish: str, reason: str) -> None:
    answer = message(START, ("finish", finish, "###" if finish == "stop_sequence" else None))
    assert answer.stop_reason == reason
    assert answer.stop_sequence == ("###" if finish == "stop_sequence" else None)


def test_sources() -> None:
    own = {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": None} | {
        "start_char_index": 0,
        "end_char_index": 1,
    }
    answer = message(
        START,
        ("citation", Citation("responses", {}, "https://lost.example/")),
        ("text", "One"),
        ("citation", Citation("responses", {}, "https://x.example/", "X", "said")),
        ("citation", Citation(NAME, own)),
        ("citation", Citation("gemini", {}, title="no place without a URL")),
        ("text", " two"),
        STOP,
    )
    first, second = answer.content
    assert (first.text, second.text, second.citations) == ("One", " two", None)
    assert [(c.type, c.cited_text) for c in first.citations] == [
        ("web_search_result_location", "said"),
        ("char_location", "c"),
    ]
    assert first.citations[0].url == "https://x.example/"


def test_a_server_tools_input_streams_as_a_calls_does() -> None:
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "otters"}}
    stream = written(START, ("opaque", NAME, use), STOP)
    assert b'"input":{}}' in stream
    assert judged(stream).content[0].to_dict() == use


def test_usage_of_other_makers_and_ours() -> None:
    extras = Extras(NAME, {"service_tier": "standard"})
    answer = message(START, ("text", "a"), ("usage", Usage(5, 4, reasoning=9, extras=extras)), STOP)
    assert answer.usage.output_tokens_details.thinking_tokens == 4
    foreign = written(START, ("usage", Usage(5, 4, extras=Extras("openai", {"x": 1}))), STOP)
    assert b'"x"' not in foreign
    assert message(START, ("usage", Usage(2, 4, 5)), STOP).usage.input_tokens == 0


ERRORS = [
    (RequestError("bad"), 400, "invalid_request_error"),
    (UpstreamError("slow down", status=429), 429, "rate_limit_error"),
    (UpstreamError("busy", status=529), 529, "overloaded_error"),
    (TimedOut("silent"), 504, "timeout_error"),
    (UpstreamError("eh"), 502, "api_error"),
]


def test_an_error_leaves_a_call_open_that_is_not_complete() -> None:
    """Claude Code runs a call as soon as its block is closed, so a cut one must not be."""
    half = [START, *call(0, '{"a":', end=False), *call(1, end=False), ("text", "x")]
    stream = encode(Encoder(context()), [*half, ("error", Broken("cut"))])
    assert stream.count(b"event: content_block_start\n") == 1
    assert b"content_block_stop" not in stream
    with client(stream) as sdk, pytest.raises(anthropic.APIStatusError, match="cut"):
        list(sdk.messages.create(**ASK, stream=True))


@pytest.mark.parametrize(("error", "status", "kind"), ERRORS)
@pytest.mark.parametrize(
    "before",
    [
        [],
        [START],
        [START, ("text", "Hal")],
        [START, ("thinking", "Hal")],
        [START, *call(0, '{"a":1}'), ("text", "x")],
    ],
)
def test_an_error_closes_what_is_open(before: list[Any], error: Any, status: int, kind: str) -> None:
    encoder = Encoder(context())
    stream = encode(encoder, [*before, ("error", error)])
    assert stream.count(b"event: content_block_start\n") == stream.count(b"event: content_block_stop\n")
    assert (b"message_start" in stream) == (len(before) > 1)
    assert (encoder.done, encoder.failure, encoder.take()) == (True, error, b"")
    last = json.loads(stream.rpartition(b"data: ")[2])
    assert last == {"type": "error", "error": {"type": kind, "message": error.message}}
    with client(stream) as sdk, pytest.raises(anthropic.APIStatusError) as raised:
        list(sdk.messages.create(**ASK, stream=True))
    assert error.message in str(raised.value)


def test_calls_that_nobody_ended_end_with_the_answer() -> None:
    answer = message(START, *call(0, "{}", end=False), *call(1, '{"b":2}', end=False), STOP)
    assert said(answer) == [("tool", "call_0", "tool_0", {}), ("tool", "call_1", "tool_1", {"b": 2})]


def test_a_call_that_waits_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else many open calls, and what is said between them, would cost the square of their number."""
    asked: list[int] = []
    resume = Encoder._resume
    monkeypatch.setattr(Encoder, "_resume", lambda self, held: asked.append(held.key) or resume(self, held))
    opened = [one for key in range(50) for one in (*call(key, "{}", end=False), ("text", "-"))]
    got = message(START, *opened, *(("tool_end", key) for key in range(50)), ("finish", "tool_calls", None))
    assert [block[1] for block in said(got) if block[0] == "tool"] == [f"call_{key}" for key in range(50)]
    assert len(asked) == 49


def test_pings() -> None:
    encoder = Encoder(context())
    pieces = [encoder.keepalive()]
    for made in (START, ("text", "Hi"), STOP):
        pieces += [encode(encoder, [made]), encoder.keepalive()]
    assert said(judged(b"".join(pieces))) == [("text", "Hi")]


def test_any_legal_order_is_understood() -> None:
    """Random calls in a legal order; the SDK must see the same texts and calls."""
    for seed in range(150):
        calls, texts, arguments = _random_calls(random.Random(seed))
        answer = message(START, *calls, STOP)
        assert "".join(block.text for block in answer.content if block.type == "text") == "".join(texts)
        assert {block.name: block.input for block in answer.content if block.type == "tool_use"} == arguments


def _random_calls(chance: random.Random) -> tuple[list[tuple[Any, ...]], list[str], dict[str, Any]]:
    calls: list[tuple[Any, ...]] = []
    texts: list[str] = []
    left: dict[int, str] = {}
    arguments: dict[str, Any] = {}
    for number in range(chance.randint(0, 30)):
        kind = chance.choice(["text", "thinking", "signature", "begin", "go on", "go on", "end", "opaque"])
        if kind == "text":
            texts.append(f"t{number}")
            calls.append(("text", texts[-1]))
        elif kind == "begin":
            arguments[f"tool_{number}"] = {"n": number}
            left[number] = json.dumps({"n": number})
            calls.append(("tool_start", number, f"call_{number}", f"tool_{number}"))
        elif kind in ("go on", "end") and left:
            key = chance.choice(list(left))
            size = len(left[key]) if kind == "end" else 2
            piece, left[key] = left[key][:size], left[key][size:]
            calls += [("tool_arguments", key, piece)] if piece else []
            if kind == "end":
                del left[key]
                calls.append(("tool_end", key))
        elif kind == "opaque":
            calls.append(("opaque", NAME, {"type": "compaction", "content": "c"}))
        elif kind in ("thinking", "signature"):
            calls.append(("thinking", "x") if kind == "thinking" else ("signature", "s", "gemini"))
    for key, rest in left.items():
        calls += [("tool_arguments", key, rest)] if rest else []
        calls.append(("tool_end", key))
    return calls, texts, arguments


def test_lone_surrogates_are_written_as_escapes() -> None:
    assert b'"text":"\\ud83e"' in written(START, ("text", "\ud83e"), STOP)


def test_repr_shows_the_state() -> None:
    encoder = Encoder(context())
    encode(encoder, [START, *call(3, end=False), ("media", Audio())])
    assert repr(encoder) == "<Encoder index=0 open='tool' live=3 waiting=1>"
