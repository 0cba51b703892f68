"""What holds for every conversation, every answer and all bytes, in each of the protocols.

The amount of examples is chosen by `HYPOTHESIS_PROFILE`: `ci` (the default: few, the same ones in every run), `soak` (many,
others in each run), `probe` (some, and no time spent on making failures small).
"""

from __future__ import annotations

import os
import sys
from copy import deepcopy
from itertools import permutations
from types import FrameType
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ccproxy.codec import jsontext
from ccproxy.convert import StreamConverter, convert_request
from ccproxy.errors import Broken, CcproxyError, Malformed, RequestError, Unsupported
from ccproxy.media import stand_in
from ccproxy.model import JSON, Answer, Context, Image, Part, Refusal, Request, Target, Text
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.stream import Collector
from tests.protocols.conversing import Refused, loosely, meaning
from tests.protocols.conversing import held as held_request
from tests.protocols.hearing import SDKS, Heard, meaning_of
from tests.protocols.middle import ANSWERS as ANSWER_ROWS
from tests.protocols.middle import ANY
from tests.protocols.middle import REQUESTS as REQUEST_ROWS
from tests.protocols.strategies import (
    ADVERSARIES,
    NAMES,
    Calls,
    changed,
    context_of,
    damaged,
    json_values,
    pieces,
    requests,
    sink_calls,
)
from tests.tools import Recorder, known

_USUAL: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("ci", max_examples=20, derandomize=True, database=None, **_USUAL)
settings.register_profile("soak", max_examples=400, **_USUAL)
settings.register_profile("probe", max_examples=60, phases=(Phase.generate,), **_USUAL)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

each = pytest.mark.parametrize("name", NAMES)
PLACES = st.lists(st.integers(0, 10**6), max_size=6)


# ---------------------------------------------------------------------------------------------------------------------
# Any conversation


def test_the_table_says_each_thing_once_and_why() -> None:
    for rows in (ANSWER_ROWS, REQUEST_ROWS):
        assert len({row[:2] for row in rows}) == len(rows)
        assert all(row.protocol in (*NAMES, ANY) and row.instead and row.why for row in rows)


TARGETS = {"claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}


def written(request: Request, name: str) -> tuple[dict[str, JSON], Context]:
    """The request as this protocol's document, and the context that knows the names it had to change."""
    context = context_of(request.origin, name)
    target = known(Target(protocol=name, model=TARGETS.get(name, "m")))
    document = PROTOCOLS[name].chat.write_request(deepcopy(request), target, context)
    return jsontext.loads_exact(jsontext.dumps(document)), context


def of_another(request: Request, name: str) -> Request:
    """The request as a client of another protocol would make it."""
    return request if request.origin != name else evolve(request, origin=NAMES[NAMES.index(name) - 1])


def read(document: dict[str, JSON], name: str, stream: bool) -> Request:
    call = Call(model=TARGETS.get(name, "m"), stream=stream, query={"alt": "sse"})
    return PROTOCOLS[name].chat.read_request(deepcopy(document), context_of(name), call)


@each
@settings(PROFILE)
@given(request=requests())
def test_a_conversation_survives_up_to_the_table(name: str, request: Request) -> None:
    request = of_another(request, name)
    try:
        document, context = written(request, name)
    except Unsupported:
        with pytest.raises(Refused):
            held_request(request, name)
        return
    again = read(document, name, request.stream)
    assert meaning(again, context.tool_names) == meaning(held_request(request, name))


@each
@settings(PROFILE)
@given(request=requests())
def test_what_was_read_is_written_again(name: str, request: Request) -> None:
    """A document of this protocol's, read and written as the same protocol."""
    request = of_another(request, name)
    try:
        document, _ = written(request, name)
    except Unsupported:
        return
    again, _ = written(read(document, name, request.stream), name)
    assert again == document


@pytest.mark.parametrize(("name", "middle"), list(permutations(NAMES, 2)))
@settings(PROFILE, max_examples=PROFILE.max_examples // 2)
@given(request=requests())
def test_a_conversation_comes_back_from_the_middle(name: str, middle: str, request: Request) -> None:
    """name -> middle -> name, as the library converts it."""
    request = of_another(request, name)
    try:
        first, _ = written(request, name)
        there, known = passed(first, name, middle, request.stream)
        back, _ = passed(there, middle, name, request.stream)
    except Unsupported:
        return
    said = held_request(held_request(read(first, name, request.stream), middle), name)
    found, expected = loosely(meaning(read(back, name, request.stream), known)), loosely(meaning(said))
    if found["thinking"] is None or expected["thinking"] is None:
        found["thinking"] = expected["thinking"] = None
    assert found == expected


def passed(document: dict[str, JSON], source: str, target: str, stream: bool) -> tuple[dict[str, JSON], dict[str, str]]:
    """The document as `convert_request` makes it, and the names it had to change."""
    given = {key: value for key, value in document.items() if key != "model"}
    model = TARGETS.get(target, "m")
    converted = convert_request(
        given | {"model": model}, source=source, target=target, model=model, stream=stream, query={"alt": "sse"}
    )
    return jsontext.loads_exact(converted.body), converted.context.tool_names


# ---------------------------------------------------------------------------------------------------------------------
# Any bytes


class Legal(Recorder):
    """Remembers the calls, and knows the order that `ccproxy.stream` allows."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.open: set[int] = set()
        self.keys: set[int] = set()

    def _add(self, name: str, *arguments: Any) -> None:
        names = [call[0] for call in self.calls]
        assert not {"finish", "error"} & set(names), f"{name} after the end"
        assert (name == "start") == (not names) or (name == "error" and not names), f"{name} at place {len(names)}"
        if name in self.JOINED:
            assert isinstance(arguments[-1], str)
            assert arguments[-1], f"an empty {name}"
        self._check_tools(name, arguments)
        super()._add(name, *arguments)

    def _check_tools(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "tool_start":
            key, id, called = arguments[:3]
            assert key not in self.keys
            assert id
            assert id not in self.ids
            assert called
            self.keys.add(key)
            self.ids.add(id)
            self.open.add(key)
        elif name in ("tool_arguments", "tool_end"):
            assert arguments[0] in self.open
            if name == "tool_end":
                self.open.remove(arguments[0])
        elif name == "finish":
            assert not self.open


def heard(name: str, parts: list[bytes]) -> list[tuple[Any, ...]]:
    """The calls that the Decoder makes of these bytes; what it raises stands behind them."""
    legal = Legal()
    decoder = PROTOCOLS[name].chat.decoder(context_of("openai", name), legal)
    told: list[tuple[Any, ...]] = []
    try:
        for part in parts:
            decoder.feed(part)
        decoder.eof()
        assert decoder.done
    except (Malformed, Broken) as error:
        told = [("raised", type(error).__name__)]
    return [*map(_comparable, legal.calls), *told]


def _comparable(call: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(repr(one) if isinstance(one, CcproxyError) else one for one in call)


@each
@settings(PROFILE)
@given(data=st.data())
def test_any_bytes_give_legal_calls_or_the_one_error(name: str, data: st.DataObject) -> None:
    stream = data.draw(st.binary(max_size=200) | damaged(name))
    whole = heard(name, [stream])
    assert heard(name, [stream[i : i + 1] for i in range(len(stream))]) == whole
    assert heard(name, pieces(stream, data.draw(PLACES))) == whole


@pytest.mark.parametrize("client", NAMES)
@pytest.mark.parametrize(("name", "stream"), [pytest.param(*key, id="-".join(key)) for key in ADVERSARIES])
def test_what_a_stream_costs_grows_with_its_length(name: str, stream: str, client: str) -> None:
    """In calls of functions, which no clock disturbs: four times the stream, four times the calls."""
    make = ADVERSARIES[name, stream]
    small, large = (functions_called(name, client, make(n)) for n in (100, 400))
    assert large < 4.4 * small + 500


def functions_called(name: str, client: str, stream: bytes) -> int:
    converter = StreamConverter(context_of(client, name))
    calls = [0]

    def count(frame: FrameType, event: str, argument: object) -> None:
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        for part in pieces(stream, list(range(0, len(stream), 1_000))):
            converter.feed(part)
        converter.close()
    finally:
        sys.setprofile(None)
    return calls[0]


@each
@settings(PROFILE)
@given(data=st.data())
def test_a_tap_lets_nothing_but_upstream_errors_out(name: str, data: st.DataObject) -> None:
    stream = data.draw(damaged(name))
    chat = PROTOCOLS[name].chat
    tap = chat.tap(context_of(name))
    reader = chat.reader()
    try:
        for payload in [*reader.feed(stream), *reader.eof()]:
            tap.look(payload)
        tap.eof()
    except (Malformed, Broken) as error:
        tap.fail(error)


@pytest.mark.parametrize("client", NAMES)
@each
@settings(PROFILE, max_examples=PROFILE.max_examples // 2)
@given(data=st.data())
def test_a_damaged_stream_converts_the_same_at_every_cut(name: str, client: str, data: st.DataObject) -> None:
    stream = data.draw(damaged(name))
    whole = converted(name, client, [stream])
    assert converted(name, client, pieces(stream, data.draw(PLACES))) == whole


def converted(upstream: str, client: str, parts: list[bytes]) -> bytes:
    converter = StreamConverter(context_of(client, upstream))
    out = b"".join([converter.feed(part) for part in parts])
    return out + converter.close()


@each
@settings(PROFILE)
@given(data=st.data())
def test_an_answer_is_any_json(name: str, data: st.DataObject) -> None:
    chat = PROTOCOLS[name].chat
    document = data.draw(st.dictionaries(st.text(max_size=5), json_values(), max_size=3) | changed(ANSWERS[name]))
    legal = Legal()
    try:
        if isinstance(document, dict):
            chat.read_answer(document, context_of("openai", name), legal)
    except Malformed:
        return


@each
@settings(PROFILE)
@given(data=st.data())
def test_a_request_is_any_json(name: str, data: st.DataObject) -> None:
    chat = PROTOCOLS[name].chat
    document = data.draw(st.dictionaries(st.text(max_size=5), json_values(), max_size=3) | changed(REQUESTS[name]))
    if not isinstance(document, dict):
        return
    for read in (chat.peek, chat.read_request):
        try:
            read(document, context_of(name), Call(model="m", stream=True))
        except RequestError:
            continue


@each
@settings(PROFILE)
@given(data=st.data())
def test_a_model_list_is_any_json(name: str, data: st.DataObject) -> None:
    document = data.draw(st.dictionaries(st.text(max_size=5), json_values(), max_size=3) | changed(MODELS[name]))
    try:
        if isinstance(document, dict):
            PROTOCOLS[name].models.read(document)
    except Malformed:
        return


# ---------------------------------------------------------------------------------------------------------------------
# Any legal sequence of Sink calls


def encoded(name: str, calls: Calls, takes: list[int]) -> bytes:
    """What the Encoder writes, taken after the calls with these numbers and at the end."""
    encoder = PROTOCOLS[name].chat.encoder(context_of(name))
    out = b""
    for number, (call, *arguments) in enumerate(calls):
        getattr(encoder, call)(*deepcopy(arguments))
        if number in takes:
            out += encoder.take()
    assert encoder.done
    return out + encoder.take()


def collected(calls: Calls) -> Answer:
    collector = Collector()
    for call, *arguments in calls:
        getattr(collector, call)(*deepcopy(arguments))
    assert collector.done
    return collector.answer


def held(name: str, answer: Answer) -> Heard:
    """What of an answer this protocol holds, by the table."""
    rows = {row.what: row.instead for row in ANSWER_ROWS if row.protocol == name}
    parts = [as_held(part, rows, name) for part in answer.parts]
    said = meaning_of(evolve(answer, parts=parts, finish=rows.get(f"finish.{answer.finish}", answer.finish)))
    usage = zip(USAGE, said["usage"], strict=True)
    said["usage"] = tuple(0 if f"usage.{count}" in rows else value for count, value in usage)
    said["calls"] = [(id, call, CALL_ARGUMENTS[rows.get("call.custom", "")](value)) for id, call, value in said["calls"]]
    return in_order(name, said)


def in_order(name: str, said: Heard) -> Heard:
    """Calls sorted, where the table says that their order is not kept."""
    free = any(row[:2] == (name, "call.order") for row in ANSWER_ROWS)
    return said | {"calls": sorted(said["calls"], key=lambda call: call[0])} if free else said


USAGE = ("input", "output", "cache_read", "cache_write", "reasoning")
CALL_ARGUMENTS = {"": lambda value: value, "object": lambda value: {"input": value} if isinstance(value, str) else value}


def as_held(part: Part, rows: dict[str, str], name: str) -> Part:
    if isinstance(part, Refusal) and "refusal" in rows:
        return Text(part.text)
    if isinstance(part, Image) and "image" in rows:
        return stand_in(part, name)
    return part


@each
@settings(PROFILE)
@given(calls=sink_calls(), takes=st.lists(st.integers(0, 20), max_size=4))
def test_the_official_sdk_hears_what_was_said(name: str, calls: Calls, takes: list[int]) -> None:
    stream = encoded(name, calls, takes)
    assert stream == encoded(name, calls, [])
    assert in_order(name, SDKS[name](stream)) == held(name, collected(calls))


@each
@settings(PROFILE)
@given(calls=sink_calls())
def test_the_decoder_reads_back_what_the_encoder_wrote(name: str, calls: Calls) -> None:
    legal = Legal()
    decoder = PROTOCOLS[name].chat.decoder(context_of(name), legal)
    decoder.feed(encoded(name, calls, []))
    decoder.eof()
    assert held(name, collected(legal.calls)) == held(name, collected(calls))


@each
@settings(PROFILE)
@given(calls=sink_calls())
def test_a_whole_answer_says_what_the_stream_says(name: str, calls: Calls) -> None:
    chat = PROTOCOLS[name].chat
    written = jsontext.dumps(chat.write_answer(collected(calls), context_of(name)))
    legal = Legal()
    chat.read_answer(jsontext.loads_exact(written), context_of(name), legal)
    assert held(name, collected(legal.calls)) == held(name, collected(calls))


@each
@settings(PROFILE)
@given(calls=sink_calls(ends=False))
def test_an_error_ends_the_stream_as_the_sdk_expects(name: str, calls: Calls) -> None:
    with pytest.raises(Exception, match="it broke"):
        SDKS[name](encoded(name, calls, []))


ANSWERS: dict[str, JSON] = {
    "openai": {
        "id": "c",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "Hi"}, {"type": "thinking", "thinking": [{"text": "hm"}]}],
                    "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}],
                    "refusal": None,
                    "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0}}],
                    "audio": {"data": "UklG", "transcript": "Hi"},
                    "images": [{"image_url": {"url": "data:image/png;base64,iVBO"}}],
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    "function_call": {"name": "g", "arguments": "{}"},
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
    },
    "responses": {
        "id": "resp_1",
        "created_at": 5,
        "model": "m",
        "status": "completed",
        "incomplete_details": None,
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"text": "hm"}], "content": [], "encrypted_content": "e"},
            {
                "type": "message",
                "id": "msg_1",
                "content": [
                    {
                        "type": "output_text",
                        "text": "Hi",
                        "annotations": [{"type": "url_citation", "url": "u", "title": "t"}],
                    },
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "id": "fc_2", "call_id": "b", "name": "multi_tool_use.parallel", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "c_1", "call_id": "c", "name": "g", "input": "x"},
            {"type": "image_generation_call", "id": "ig_1", "result": "iVBO", "output_format": "png"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
    },
    "claude": {
        "id": "msg_1",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "cited_text": "c"}]},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
            {"type": "server_tool_use", "id": "b", "name": "web_search", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}},
    },
    "gemini": {
        "responseId": "r",
        "modelVersion": "m",
        "promptFeedback": {},
        "candidates": [
            {
                "index": 0,
                "finishReason": "STOP",
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                        {"text": "Hi"},
                        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "a"}, "thoughtSignature": "c2ln"},
                        {"functionCall": {"partialArgs": [{"jsonPath": "$.b[0]", "stringValue": "x"}]}},
                        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                        {"executableCode": {"code": "1"}},
                    ],
                },
                "groundingMetadata": {
                    "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
                    "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 1}, "groundingChunkIndices": [0]}],
                },
                "citationMetadata": {"citations": [{"uri": "u", "startIndex": 0, "endIndex": 1}]},
            }
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    },
    "ollama": {
        "model": "m",
        "created_at": "2026-02-03T04:05:06Z",
        "message": {
            "role": "assistant",
            "content": "Hi",
            "thinking": "hm",
            "images": ["iVBO"],
            "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 2,
    },
}
"""A whole answer with a bit of everything, to be damaged."""

_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}

REQUESTS: dict[str, JSON] = {
    "openai": {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "hm",
                "refusal": "no",
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                        "extra_content": {"ccproxy": {"signature": "ccproxy.claude.s"}},
                    },
                    {"id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}},
                ],
                "function_call": {"name": "h", "arguments": "{}"},
            },
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "r"}]},
            {"role": "function", "name": "h", "content": "r"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": _SCHEMA, "strict": True}},
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
        ],
        "functions": [{"name": "h", "parameters": _SCHEMA}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "f"}}]}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA, "strict": True}},
        "reasoning_effort": "low",
        "reasoning": {"effort": "low", "max_tokens": 5, "enabled": True},
        "temperature": 1,
        "stop": ["END"],
        "max_completion_tokens": 5,
        "n": 1,
        "logprobs": True,
        "top_logprobs": 2,
        "metadata": {"a": "b"},
    },
    "responses": {
        "model": "m",
        "stream": True,
        "instructions": "s",
        "input": [
            {"role": "developer", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "q"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "e",
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "x", "annotations": [{}]}],
            },
            {"type": "function_call", "call_id": "a", "name": "f", "namespace": "n", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "r"}]},
            {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "b", "output": '[{"type": "input_image"}]'},
            {"type": "web_search_call", "id": "ws_1"},
            {"type": "item_reference", "id": "x"},
        ],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": _SCHEMA, "strict": True},
            {"type": "custom", "name": "g", "format": {"type": "text"}},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f", "parameters": _SCHEMA}]},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "temperature": 1,
        "max_output_tokens": 20,
        "previous_response_id": "resp_0",
        "metadata": {"a": "b"},
    },
    "claude": {
        "model": "m",
        "stream": True,
        "max_tokens": 5,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "q"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                    {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
                    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "d"}]}},
                    {"type": "search_result", "title": "t", "source": "u", "content": [{"type": "text", "text": "d"}]},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "ccproxy.openai.s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "text", "text": "x", "citations": [{"type": "char_location"}]},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": [{"type": "text", "text": "r"}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "go on"},
                ],
            },
            {"role": "system", "content": "later"},
        ],
        "tools": [
            {"name": "f", "description": "d", "input_schema": _SCHEMA, "strict": True},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": _SCHEMA}},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END"],
        "temperature": 1,
    },
    "gemini": {
        "model": "models/m",
        "systemInstruction": {"role": "user", "parts": [{"text": "s"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "q"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBO-_", "displayName": "n"}},
                    {"fileData": {"fileUri": "https://a.example/a.pdf", "mimeType": "application/pdf"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                    {
                        "functionCall": {"name": "f", "args": {"a": 1}, "id": "a"},
                        "thought_signature": "Y2Nwcm94eS5vcGVuYWkucw==",
                    },
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "name": "f",
                            "id": "a",
                            "response": {"output": "r"},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}],
                        }
                    }
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {}}}
                ]
            },
            {"googleSearch": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "temperature": 1,
            "topK": 4.0,
            "stopSequences": ["END"],
            "candidateCount": 1,
            "responseLogprobs": True,
            "logprobs": 1,
            "responseMimeType": "application/json",
            "responseJsonSchema": _SCHEMA,
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 5, "thinkingLevel": "LOW"},
        },
    },
    "ollama": {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "q", "images": ["iVBO"]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "hm",
                "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "a"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": _SCHEMA}}],
        "format": _SCHEMA,
        "think": "low",
        "options": {"temperature": 1, "top_k": 4, "stop": ["END"], "num_predict": 5},
        "logprobs": True,
        "top_logprobs": 2,
    },
}
"""A request with a bit of everything, to be damaged."""

MODELS: dict[str, JSON] = {
    "openai": {"object": "list", "data": [{"id": "m", "created": 5, "owned_by": "o", "context_length": 9}]},
    "responses": {"object": "list", "data": [{"id": "m", "created": 5, "owned_by": "o"}]},
    "claude": {
        "data": [
            {
                "id": "m",
                "display_name": "M",
                "created_at": "2026-02-03T04:05:06Z",
                "max_tokens": 5,
                "capabilities": {"thinking": {"supported": True}},
            }
        ]
    },
    "gemini": {
        "models": [
            {
                "name": "models/m",
                "displayName": "M",
                "inputTokenLimit": 5,
                "supportedGenerationMethods": ["generateContent"],
            }
        ]
    },
    "ollama": {
        "models": [
            {
                "name": "m",
                "model": "m",
                "modified_at": "2026-02-03T04:05:06Z",
                "details": {"family": "f"},
                "capabilities": ["tools"],
            }
        ]
    },
}
