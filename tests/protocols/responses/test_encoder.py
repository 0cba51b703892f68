from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy.errors import Broken, TimedOut, UpstreamError
from ccproxy.model import Audio, Citation, Extras, Image, Tool, Usage, seal
from ccproxy.protocols.responses import PROTOCOL
from ccproxy.protocols.responses.encoder import Encoder
from tests.protocols.responses.judge import context, events, final, last
from tests.tools import encode

START = ("start", "up-1", "up-model", 5)
STOP = ("finish", "stop")
CALLS = ("finish", "tool_calls")


def types(data: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events(data)]


def test_the_order_of_a_text() -> None:
    data = encode(Encoder(context()), [START, ("text", "Hel"), ("text", "lo"), ("usage", Usage(3, 4, 1, 2, 1)), STOP])
    assert types(data) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    answer = final(data)
    assert answer.output_text == "Hello"
    assert (answer.id, answer.model, answer.created_at) == ("resp_" + "ab" * 12, "asked", 1_700_000_000)
    assert answer.usage is not None
    assert answer.usage.model_dump(exclude_none=True) == {
        "input_tokens": 3,
        "input_tokens_details": {"cache_write_tokens": 2, "cached_tokens": 1},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 7,
    }


def test_a_stream_without_usage() -> None:
    assert final(encode(Encoder(context()), [START, ("text", "x"), STOP])).usage is None


def test_what_each_turn_of_an_answer_becomes() -> None:
    calls: list[tuple[Any, ...]] = [
        START,
        ("thinking", "Let me "),
        ("thinking", "see."),
        ("signature", "s1", "claude"),
        ("text", "Here"),
        ("refusal", "but no"),
        ("tool_start", 0, "call_1", "f"),
        ("tool_arguments", 0, '{"a":'),
        ("tool_arguments", 0, "1}"),
        ("tool_end", 0),
        ("text", "done"),
        CALLS,
    ]
    answer = final(encode(Encoder(context()), calls))
    thought, said, call, after = answer.output
    assert (thought.type, [part.text for part in thought.summary]) == ("reasoning", ["Let me see."])
    assert thought.encrypted_content == seal("s1", "claude", "responses")
    assert [part.type for part in said.content] == ["output_text", "refusal"]
    assert (call.call_id, call.name, call.arguments, call.status) == ("call_1", "f", '{"a":1}', "completed")
    assert after.content[0].text == "done"
    assert all(len(item.id) <= 64 for item in answer.output)
    assert len({item.id for item in answer.output}) == 4


def test_parts_have_their_empty_lists() -> None:
    """F143: strict clients demand them."""
    data = encode(Encoder(context()), [START, ("text", "x"), STOP])
    parts = [event["part"] for event in events(data) if "part" in event] + [
        events(data)[-1]["response"]["output"][0]["content"][0]
    ]
    assert all(part["annotations"] == [] and part["logprobs"] == [] for part in parts)


def test_calls_that_interleave_are_written_one_after_the_other() -> None:
    """F032: the open one streams, the others wait and follow in their order."""
    calls: list[tuple[Any, ...]] = [
        START,
        ("tool_start", 0, "c0", "f"),
        ("tool_start", 1, "c1", "g"),
        ("tool_arguments", 1, '{"b"'),
        ("tool_arguments", 0, '{"a"'),
        ("tool_start", 2, "c2", "h"),
        ("tool_end", 2),
        ("tool_arguments", 1, ":2}"),
        ("tool_end", 1),
        ("tool_arguments", 0, ":1}"),
        ("tool_end", 0),
        CALLS,
    ]
    data = encode(Encoder(context()), calls)
    answer = final(data)
    assert [(item.call_id, item.arguments) for item in answer.output] == [
        ("c0", '{"a":1}'),
        ("c1", '{"b":2}'),
        ("c2", "{}"),
    ]
    assert types(data).count("function_call_arguments.done") == 3


def test_a_waiting_call_streams_once_it_is_its_turn() -> None:
    encoder = Encoder(context())
    encode(encoder, [START, ("tool_start", 0, "c0", "f"), ("tool_start", 1, "c1", "g"), ("tool_arguments", 1, '{"b"')])
    data = encode(encoder, [("tool_end", 0)])
    assert b"c1" in data
    assert b'{\\"b\\"' in data
    assert b":2}" in encode(encoder, [("tool_arguments", 1, ":2}")])


def test_text_does_not_wait_for_an_open_call() -> None:
    calls: list[tuple[Any, ...]] = [START, ("tool_start", 0, "c0", "f"), ("tool_arguments", 0, "{"), ("text", "meanwhile")]
    encoder = Encoder(context())
    assert b"meanwhile" in encode(encoder, calls)
    whole = encode(Encoder(context()), [*calls, ("tool_arguments", 0, "}"), ("tool_end", 0), CALLS])
    assert [item.type for item in final(whole).output] == ["function_call", "message"]
    events(whole)


def test_a_call_without_arguments() -> None:
    """F146: `{}`, once."""
    data = encode(Encoder(context()), [START, ("tool_start", 0, "c", "f"), ("tool_end", 0), CALLS])
    done = [event for event in events(data) if event["type"] == "response.function_call_arguments.done"]
    assert [event["arguments"] for event in done] == ["{}"]
    assert final(data).output[0].arguments == "{}"


def test_tools_are_what_the_client_called_them() -> None:
    tools = {
        "docs__search": Tool("docs__search", namespace="docs"),
        "patch": Tool("patch", kind="custom"),
    }
    calls: list[tuple[Any, ...]] = [
        START,
        ("tool_start", 0, "c0", "docs__search"),
        ("tool_end", 0),
        ("tool_start", 1, "c1", "patch"),
        ("tool_arguments", 1, '{"inp'),
        ("tool_arguments", 1, 'ut":"*** \\u00e9"}'),
        ("tool_end", 1),
        ("tool_start", 2, "c2", "patch", "custom"),
        ("tool_arguments", 2, "free"),
        ("tool_arguments", 2, " text"),
        ("tool_end", 2),
        ("tool_start", 3, "c3", "patch"),
        ("tool_arguments", 3, "unwrapped"),
        ("tool_end", 3),
        CALLS,
    ]
    data = encode(Encoder(context(tools=tools)), calls)
    found = final(data).output
    assert (found[0].name, found[0].namespace) == ("search", "docs")
    assert [(item.type, item.name, item.input) for item in found[1:]] == [
        ("custom_tool_call", "patch", "*** é"),
        ("custom_tool_call", "patch", "free text"),
        ("custom_tool_call", "patch", "unwrapped"),
    ]
    deltas = [event["delta"] for event in events(data) if event["type"] == "response.custom_tool_call_input.delta"]
    assert deltas == ["*** é", "free", " text", "unwrapped"]


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_calls", "completed", None),
        ("pause", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("refusal", "incomplete", "content_filter"),
    ],
)
def test_ends(reason: str, status: str, why: str | None) -> None:
    data = encode(Encoder(context()), [START, ("text", "x"), ("finish", reason)])
    end = events(data)[-1]
    assert end["type"] == f"response.{status}"
    assert (end["response"]["incomplete_details"] or {}).get("reason") == why
    assert end["response"]["output"][0]["status"] == status


def test_an_answer_that_ended_in_an_error_failed() -> None:
    encoder = Encoder(context())
    assert events(encode(encoder, [START, ("finish", "error")]))[-1]["type"] == "response.failed"
    assert encoder.failure is not None


def test_a_call_that_was_cut_off_is_not_finalised() -> None:
    """F063."""
    calls: list[tuple[Any, ...]] = [
        START,
        ("tool_start", 0, "c0", "f"),
        ("tool_arguments", 0, '{"a":1}'),
        ("tool_end", 0),
        ("tool_start", 1, "c1", "f"),
        ("tool_arguments", 1, '{"a":'),
        ("tool_end", 1),
        ("finish", "length"),
    ]
    data = encode(Encoder(context()), calls)
    assert types(data).count("function_call_arguments.done") == 1
    answer = last(data)
    assert [(item.arguments, item.status) for item in answer.output] == [('{"a":1}', "completed"), ('{"a":', "incomplete")]


def test_arguments_that_are_no_json_are_the_models_business() -> None:
    calls: list[tuple[Any, ...]] = [
        START,
        ("tool_start", 0, "c", "f"),
        ("tool_arguments", 0, "{oops"),
        ("tool_end", 0),
        CALLS,
    ]
    item = final(encode(Encoder(context()), calls)).output[0]
    assert (item.arguments, item.status) == ("{oops", "completed")


@pytest.mark.parametrize("calls", [[START], [START, ("thinking", "hm")], [START, ("signature", "s", "claude")]])
def test_an_answer_without_words_has_an_empty_message(calls: list[tuple[Any, ...]]) -> None:
    """F083."""
    answer = final(encode(Encoder(context()), [*calls, STOP]))
    assert answer.output[-1].type == "message"
    assert answer.output_text == ""


def test_thoughts_and_their_proofs() -> None:
    own, foreign = "rs_1:gAAA", "sig"
    calls: list[tuple[Any, ...]] = [
        START,
        ("signature", own, "responses"),
        ("signature", foreign, "gemini"),
        ("redacted", "data", "claude"),
        ("thinking", "hm"),
        ("signature", own, "responses"),
        ("thinking", "a second, unsigned"),
        ("text", "x"),
        STOP,
    ]
    found = final(encode(Encoder(context()), calls)).output
    assert (found[0].id, found[0].encrypted_content, found[0].summary) == ("rs_1", "gAAA", [])
    assert found[1].encrypted_content == "ccproxy.gemini.sig"
    assert found[2].encrypted_content == "ccproxy.claude.redacted:data"
    assert found[3].encrypted_content == "ccproxy.responses.rs_1:gAAA", "its id was announced before the real one was known"
    assert (found[4].encrypted_content, found[4].summary[0].text) == ("ccproxy.openai.", "a second, unsigned")


def test_citations_are_annotations() -> None:
    raw = {"type": "file_citation", "file_id": "f", "filename": "n", "index": 2}
    calls: list[tuple[Any, ...]] = [
        START,
        ("text", "According to"),
        ("citation", Citation("responses", raw)),
        ("citation", Citation("claude", {}, url="https://example.com", title="T")),
        ("citation", Citation("claude", {}, url="https://example.org", start=0, end=4)),
        ("citation", Citation("claude", {"only": "a document"})),
        STOP,
    ]
    data = encode(Encoder(context()), calls)
    found = [note.model_dump() for note in final(data).output[0].content[0].annotations]
    url = {"type": "url_citation", "title": "T", "url": "https://example.com", "start_index": 12, "end_index": 12}
    assert found[:2] == [raw, url]
    assert found[2] == url | {
        "title": "https://example.org",
        "url": "https://example.org",
        "start_index": 0,
        "end_index": 4,
    }
    assert len(found) == types(data).count("output_text.annotation.added") == 3


def test_pictures_and_what_only_this_protocol_knows() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
    calls: list[tuple[Any, ...]] = [
        START,
        ("opaque", "responses", search),
        ("opaque", "claude", {"type": "server_tool_use"}),
        ("media", Image(mime="image/webp", data="UklG")),
        ("media", Image(mime="image/png", data="iVBO", extras=Extras("responses", {"id": "ig_7", "status": "completed"}))),
        ("media", Audio(mime="audio/wav", data="AAAA")),
        STOP,
    ]
    exchange = context()
    found = final(encode(Encoder(exchange), calls)).output
    assert found[0].model_dump(exclude_none=True) == search
    assert (found[1].type, found[1].result, found[1].output_format) == ("image_generation_call", "UklG", "webp")
    assert (found[2].id, found[2].result) == ("ig_7", "iVBO")
    assert "audio left out" in found[3].content[0].text
    assert exchange.notes


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Broken("cut"), "server_error"),
        (TimedOut("slow"), "server_error"),
        (UpstreamError("busy", status=429), "rate_limit_exceeded"),
        (UpstreamError("no", status=400, code="context_length_exceeded"), "context_length_exceeded"),
        (UpstreamError("no", status=400, code="weird", origin="claude"), "invalid_prompt"),
        (UpstreamError("no", status=400, code="vector_store_timeout", origin="responses"), "vector_store_timeout"),
    ],
)
def test_an_error_fails_the_response(error: UpstreamError, code: str) -> None:
    """F216."""
    encoder = Encoder(context())
    data = encode(encoder, [START, ("thinking", "hm"), ("text", "half"), ("error", error)])
    reader = json.loads(data.rsplit(b"data: ", 1)[1])
    assert reader["type"] == "response.failed"
    assert reader["response"]["error"] == {"code": code, "message": error.message}
    assert [item["type"] for item in reader["response"]["output"]] == ["reasoning", "message"]
    assert encoder.done
    assert encoder.failure is error


def test_an_error_before_the_start() -> None:
    data = encode(Encoder(context()), [("error", Broken("nothing came"))])
    assert types(data) == ["created", "in_progress", "failed"]
    assert last(data).status == "failed"


def test_an_error_leaves_an_open_call_open() -> None:
    """Clients run the call that `output_item.done` hands them."""
    calls: list[tuple[Any, ...]] = [
        START,
        ("tool_start", 0, "c", "f"),
        ("tool_arguments", 0, '{"a"'),
        ("tool_start", 1, "d", "g"),
        ("error", Broken("cut")),
    ]
    data = encode(Encoder(context()), calls)
    assert "output_item.done" not in types(data)
    assert [(item.arguments, item.status) for item in last(data).output] == [('{"a"', "incomplete")]


def test_the_response_repeats_the_request() -> None:
    echo = {
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "tool_choice": {"type": "function", "name": "f"},
        "temperature": 0.5,
        "metadata": {"k": "v"},
        "max_output_tokens": 100,
        "previous_response_id": "resp_0",
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
    }
    for event in events(encode(Encoder(context(echo=echo)), [START, ("text", "x"), STOP])):
        if "response" in event:
            assert {key: event["response"][key] for key in echo} == echo
            assert event["response"]["parallel_tool_calls"] is True


def test_the_upstreams_own_id_is_kept() -> None:
    data = encode(Encoder(context(upstream="responses")), [("start", "resp_up", "m", 0), ("text", "x"), STOP])
    assert final(data).id == "resp_up"


def test_odd_texts_pass_byte_for_byte() -> None:
    text = 'quote " backslash \\ line\nseparator \u2028 null \x00 emoji 🜁 '
    encoder = Encoder(context())
    data = encode(encoder, [START, *[("text", letter) for letter in text], STOP])
    assert final(data).output_text == text
    assert repr(encoder) == f"<responses.Encoder items=1 sequence={len(text) + 8} done=True>"
    assert PROTOCOL.chat.encoder(context()).keepalive() == b""


def test_a_document_that_only_another_protocol_cites() -> None:
    assert types(encode(Encoder(context()), [START, ("citation", Citation("claude", {}))])) == ["created", "in_progress"]


def test_a_call_that_nobody_ended() -> None:
    calls: list[tuple[Any, ...]] = [START, ("tool_start", 0, "c", "f"), ("tool_arguments", 0, "{}"), CALLS]
    assert final(encode(Encoder(context()), calls)).output[0].status == "completed"
