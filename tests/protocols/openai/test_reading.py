"""What vendors' chunks and messages mean."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from ccproxy.codec import jsontext
from ccproxy.errors import Broken, Malformed
from ccproxy.model import Audio, Citation, Image
from ccproxy.protocols.openai.reading import AnswerReader
from ccproxy.protocols.openai.stream import Decoder
from ccproxy.protocols.openai.terms import NAME
from tests.protocols.openai.judge import CALLS, STOP, call_piece, chunk, context, stream_of, told, told_of, variations
from tests.tools import Recorder


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param([{"content": None}, {"content": ""}, {"content": "a", "tool_calls": []}], [("text", "a")], id="empty"),
        pytest.param([{"reasoning": "hm", "reasoning_content": "hm"}], [("thinking", "hm")], id="thought-twice"),
        pytest.param([{"reasoning_content": {"text": "hm"}}], [("thinking", "hm")], id="thought-object"),
        pytest.param([{"reasoning": [{"text": "h"}, {"summary": "m"}]}], [("thinking", "hm")], id="thought-list"),
        pytest.param(
            [
                {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                        {"type": "text", "text": "a"},
                    ]
                }
            ],
            [("thinking", "hm"), ("text", "a")],
            id="parts",
        ),
        pytest.param([{"content": ["", "a", ""]}], [("text", "a")], id="empty-parts"),
        pytest.param([{"refusal": "No."}], [("refusal", "No.")], id="refusal"),
        pytest.param([{"content": "a", "reasoning_content": "hm"}], [("thinking", "hm"), ("text", "a")], id="order"),
        pytest.param(
            [{"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}]}],
            [("media", Image(mime="image/png", data="aaaa"))],
            id="image",
        ),
        pytest.param(
            [{"audio": {"id": "a", "data": "YQ=="}}, {"audio": {"transcript": "ah"}}, {"audio": {"data": "Yg=="}}],
            [("text", "ah"), ("media", Audio(mime="audio/pcm", data="YWI="))],
            id="audio",
        ),
        pytest.param([{"executed_tools": [1]}], [("opaque", NAME, {"executed_tools": [1]})], id="server-tool"),
        pytest.param(
            [{"content": [{"type": "reference", "ids": [1]}]}],
            [("opaque", NAME, {"content": [{"type": "reference", "ids": [1]}]})],
            id="unknown-part",
        ),
    ],
)
def test_what_deltas_say(deltas: list[Any], expected: list[Any]) -> None:
    assert told_of(*deltas)[:-1] == expected


def test_message_instead_of_delta() -> None:
    message = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}
    assert told(stream_of(message, "[DONE]")) == [("start", "", "", 0), ("text", "a"), STOP]


def test_a_message_beside_deltas_repeats_them() -> None:
    both = {"choices": [{"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}, "finish_reason": None}]}
    alone = {"choices": [{"index": 0, "message": {"content": "aa"}, "finish_reason": "stop"}]}
    assert told(stream_of(both, alone, "[DONE]"))[1:] == [("text", "a"), STOP]


@pytest.mark.parametrize("word", ["error", "abort", "insufficient_system_resource"])
def test_an_answer_that_ended_as_failed_is_an_error(word: str) -> None:
    """For every client, not only for those whose protocol knows such an end."""
    *_, usage, error = told(stream_of(chunk({"content": "a"}), chunk({}, word, usage={"prompt_tokens": 3}), "[DONE]"))
    assert (usage[0], error[0], error[1].status) == ("usage", "error", 502)
    assert word in error[1].message


def test_only_choice_0_is_read() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}]}
    assert told_of({"content": "a"}, other) == [("text", "a"), STOP]


def test_sources() -> None:
    source = {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 3, "content": "words"}
    raw = {"type": "url_citation", "url_citation": source}
    calls = told_of({"content": "abc", "annotations": [raw, {"type": "file", "file": {}}]})
    citation = Citation(NAME, raw, "https://a.test", "A", "words", 0, 3)
    assert calls[:3] == [
        ("text", "abc"),
        ("citation", citation),
        ("opaque", NAME, {"annotations": [{"type": "file", "file": {}}]}),
    ]


def test_signed_and_encrypted_thoughts_keep_their_json() -> None:
    signed = {"type": "reasoning.text", "signature": "sig", "format": "f", "index": 0}
    alone = {"type": "reasoning.encrypted", "data": "enc", "index": 1}
    beside = {"type": "reasoning.encrypted", "data": "more"}
    calls = told_of(
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
        {"reasoning_details": [signed]},
        {"reasoning_details": [alone]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "so"}, beside]},
    )
    assert calls[:-1] == [
        ("thinking", "hm"),
        ("signature", jsontext.dumps_str(signed), NAME),
        ("redacted", jsontext.dumps_str(alone), NAME),
        ("thinking", "so"),
        ("signature", jsontext.dumps_str(beside), NAME),
    ]


@pytest.mark.parametrize(
    ("chunks", "counts"),
    [
        pytest.param([chunk({"content": "a"}, usage={"prompt_tokens": 0, "completion_tokens": 0})], None, id="zeros"),
        pytest.param([chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 1})], (3, 1), id="with-finish"),
        pytest.param([{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}], (3, 1), id="after"),
        pytest.param(
            [chunk({}, usage={"prompt_tokens": 3, "completion_tokens": None}), chunk({}, usage=None)],
            (3, 0),
            id="null-last",
        ),
        pytest.param([chunk({}, x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 1}})], (3, 1), id="groq"),
        pytest.param(
            [{"choices": [{"index": 0, "delta": {}, "usage": {"prompt_tokens": 3, "completion_tokens": 1}}]}],
            (3, 1),
            id="moonshot",
        ),
    ],
)
def test_usage_wherever_it_stands(chunks: list[Any], counts: tuple[int, int] | None) -> None:
    calls = told(stream_of(chunk({"content": "x"}), chunk({}, "stop"), *chunks, "[DONE]"))
    found = [call[1] for call in calls if call[0] == "usage"]
    assert [(usage.input, usage.output) for usage in found] == ([counts] if counts else [])
    assert calls[-1][0] == "finish"


@pytest.mark.parametrize(
    ("chunks", "end"),
    [
        pytest.param([chunk({"content": "a"}, "length")], ("finish", "length", None), id="length"),
        pytest.param([chunk({"content": "a"}, "eos")], STOP, id="eos"),
        pytest.param([chunk({"content": "a"}, "end_turn")], STOP, id="end_turn"),
        pytest.param([chunk({"content": "a"}, "CONTENT_FILTER")], ("finish", "content_filter", None), id="upper"),
        pytest.param([chunk({"content": "a"}, "never heard")], STOP, id="unknown"),
        pytest.param([chunk({"content": "a"}, "tool_calls")], STOP, id="no-call"),
        pytest.param([chunk({"refusal": "no"}, "stop")], ("finish", "refusal", None), id="refusal"),
        pytest.param([chunk({"content": "a"})], STOP, id="missing"),
        pytest.param([chunk({"content": "a"}, "")], STOP, id="empty"),
        pytest.param(
            [chunk(call_piece(index=0, id="c", function={"name": "f", "arguments": "{}"}), "stop")], CALLS, id="calls"
        ),
        pytest.param(
            [chunk(call_piece(index=0, id="c", function={"name": "f"}), "length")],
            ("finish", "length", None),
            id="cut-call",
        ),
        pytest.param([chunk(call_piece(index=0, id="c", function={"name": "f"}))], CALLS, id="calls-missing"),
        pytest.param([chunk({"function_call": {"name": "f", "arguments": "{}"}}, "function_call")], CALLS, id="legacy"),
    ],
)
def test_why_it_ended(chunks: list[Any], end: tuple[Any, ...]) -> None:
    assert told(stream_of(*chunks, "[DONE]"))[-1] == end


@pytest.mark.parametrize(
    ("member", "stop"), [("stop_reason", "END"), ("matched_stop", "END"), ("stop_reason", 7), ("stop_reason", "stop")]
)
def test_stop_sequences_where_vendors_name_them(member: str, stop: Any) -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", member: stop}
    found = told(stream_of({"choices": [choice]}, "[DONE]"))[-1]
    assert found == (("finish", "stop_sequence", "END") if stop == "END" else STOP)


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ({"error": {"message": "slow", "type": "rate_limit_error"}}, 429, "slow"),
        ({"error": {"message": "bad", "status_code": 400}}, 400, "bad"),
        (
            {"error": {"message": "x", "code": 503}, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]},
            503,
            "x",
        ),
        ({"error": {"message": "long", "code": "context_length_exceeded"}}, 400, "long"),
        ({"error": "words"}, 502, "words"),
        ({"object": "error", "message": "vllm", "code": 400}, 400, "vllm"),
        ({"detail": "fast"}, 502, "fast"),
    ],
)
def test_errors_within_the_stream(document: Any, status: int, message: str) -> None:
    calls = told(stream_of(chunk({"content": "a"}), document, "[DONE]"))
    assert [call[0] for call in calls] == ["start", "text", "error"]
    error = calls[-1][1]
    assert (error.status, error.message, error.origin, error.raw) == (status, message, NAME, document)


def test_values_of_any_type_raise_only_what_is_said() -> None:
    """Every value in a chunk replaced by every kind of JSON."""
    delta = {
        "role": "assistant",
        "content": [{"type": "text", "text": "a"}],
        "reasoning_details": [{"data": "x", "signature": "s", "text": "t"}],
        "refusal": "r",
        "audio": {"data": "YQ==", "transcript": "t"},
        "images": [{"image_url": {"url": "data:,"}}],
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 1}}],
        "executed_tools": [{}],
        "function_call": {"name": "f", "arguments": "{}"},
        "tool_calls": [
            {
                "index": 0,
                "id": "i",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"a": 1},
            }
        ],
    }
    whole = chunk(
        delta,
        "stop",
        usage={"prompt_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 1}},
        error=None,
        x_groq={"usage": {}},
    )
    for changed in variations(whole):
        decoder = Decoder(context(), Recorder())
        with contextlib.suppress(Malformed, Broken):
            decoder.feed(stream_of(changed))
            decoder.eof()


def test_counts_beside_an_error_are_told() -> None:
    """Groq ends a stream that failed with both."""
    failed = {"error": {"message": "it broke"}, "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    usage, error = told(stream_of(chunk({"content": "a"}), failed))[-2:]
    assert (usage[0], usage[1].input, usage[1].output) == ("usage", 3, 2)
    assert (error[0], error[1].message) == ("error", "it broke")


def test_what_comes_after_the_end_is_not_read() -> None:
    recorder = Recorder()
    reader = AnswerReader(context(), recorder)
    reader.chunk({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]})
    reader.end()
    said = list(recorder.calls)
    reader.chunk({"choices": [{"index": 0, "delta": {"content": "b"}}]})
    reader.end()
    assert recorder.calls == said
