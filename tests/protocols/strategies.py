"""What the property tests draw: conversations, answers as Sink calls, wire documents, and damage.

requests()        any conversation the model can hold, in an order that its rules allow
sink_calls()      any legal sequence of Sink calls (`ccproxy.stream`)
json_values()     any JSON at all, what is deep or enormous included
damaged(name)     a realistic stream of that protocol with random damage
documents(...)    a realistic document with random values in places of its own
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ccproxy.codec import jsontext
from ccproxy.errors import UpstreamError
from ccproxy.model import (
    Audio,
    Citation,
    Context,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)
from ccproxy.protocols import PROTOCOLS

NAMES = tuple(PROTOCOLS)
DATA = Path(__file__).parents[1] / "data"
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjQK"
WAV = "UklGRiQAAABXQVZF"

Calls = list[tuple[Any, ...]]

# ---------------------------------------------------------------------------------------------------------------------
# Words

_LINE_ENDS = ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x00", "\ufeff", "data: ", "\n\n", '"', "\\", "😀", "[DONE]"]


def texts(blank: bool = False) -> st.SearchStrategy[str]:
    """Any text, often with what framings and escapes trip over; with something to see in it unless `blank`."""
    pieces = st.lists(st.one_of(st.sampled_from(_LINE_ENDS), st.text(max_size=6)), max_size=4).map("".join)
    return pieces if blank else st.tuples(pieces, st.sampled_from("aß你"), pieces).map("".join)


def names() -> st.SearchStrategy[str]:
    """Names of tools: mostly plain ones, some that no API takes as they are."""
    plain = st.sampled_from(["get_weather", "mcp__files__read", "Read", "a", "get-time"])
    odd = st.sampled_from(["a.b:c", "9lives", "wetter für morgen", "x" * 150, "名"])
    return st.one_of(plain, plain, odd)


def tool_ids() -> st.SearchStrategy[str]:
    return st.one_of(st.from_regex(r"call_[a-z0-9]{1,6}", fullmatch=True), st.sampled_from(["toolu_1", "a:b|c", "i" * 80]))


# ---------------------------------------------------------------------------------------------------------------------
# JSON

_NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([10**30, -(2**63), 2**64, 0.1, 1e300])
)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, st.text(max_size=6))


def json_values() -> st.SearchStrategy[Any]:
    nested = st.recursive(
        _SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    )
    return st.one_of(nested, nested, st.integers(2, 600).map(_deep))


def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a call, with integers that no float holds."""
    keys = st.text(min_size=1, max_size=5)
    inner = st.recursive(_SCALARS, lambda one: st.one_of(st.lists(one, max_size=3), st.dictionaries(keys, one, max_size=2)))
    return st.dictionaries(keys, inner, max_size=3)


def _deep(levels: int) -> Any:
    value: Any = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"d": value}
    return value


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of objects as tools have them, nested. Keywords that every dialect keeps."""
    leaf = st.one_of(
        st.just({"type": "string"}),
        st.just({"type": "integer", "description": "how many"}),
        st.just({"type": "boolean"}),
        st.just({"type": "string", "enum": ["a", "b"]}),
    )
    names = st.sampled_from(["city", "days", "type", "properties", "ü"])

    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        objects = st.dictionaries(names, inner, max_size=3).map(lambda found: {"type": "object", "properties": found})
        return st.one_of(objects, inner.map(lambda one: {"type": "array", "items": one}))

    found = st.dictionaries(names, st.recursive(leaf, grown, max_leaves=5), min_size=1, max_size=3)
    return found.map(lambda properties: {"type": "object", "properties": properties, "required": sorted(properties)[:1]})


# ---------------------------------------------------------------------------------------------------------------------
# Parts

_ORIGINS = st.sampled_from(NAMES)


@st.composite
def proofs(draw: st.DrawFn) -> tuple[str, str]:
    """(signature, origin), as that protocol spells them; Gemini's are base64, since its SDK decodes them."""
    origin = draw(_ORIGINS)
    return draw(st.sampled_from(_PROOFS.get(origin, ("c2lnbmF0dXJl", "EqQBCgIYAhIM+/8=")))), origin


_PROOFS = {
    "responses": ("rs_1:gAAAAABo", "gAAAAABo"),
    "openai": ('{"type":"reasoning.text","signature":"s","format":"f"}',),
}


def redacted() -> st.SearchStrategy[tuple[str, str]]:
    """Those that only their maker can read, of the two makers that have them."""
    hidden = '{"type":"reasoning.encrypted","data":"c2ln"}'
    return st.sampled_from([("EqQBCgIYAhIM+/8=", "claude"), (hidden, "openai")])


def thoughts() -> st.SearchStrategy[Part]:
    """With and without a signature, of any maker; redacted ones."""
    return st.one_of(
        st.builds(Reasoning, texts(), origin=_ORIGINS),
        st.builds(lambda text, proof: Reasoning(text, signature=proof[0], origin=proof[1]), texts(), proofs()),
        redacted().map(lambda found: Reasoning(redacted=found[0], origin=found[1])),
    )


def images() -> st.SearchStrategy[Part]:
    return st.one_of(
        st.just(Image(mime="image/png", data=PNG)),
        st.sampled_from(["low", "high"]).map(lambda detail: Image(mime="image/png", data=PNG, detail=detail)),
        st.just(Image(url="https://pictures.example/a.png")),
        st.just(Image(file_id="file-picture")),
    )


def documents() -> st.SearchStrategy[Part]:
    return st.one_of(
        st.just(Document(mime="application/pdf", data=PDF)),
        st.just(Document(mime="application/pdf", data=PDF, name="paper.pdf")),
        texts().map(lambda text: Document(mime="text/plain", text=text)),
        st.just(Document(url="https://papers.example/a.pdf")),
        st.just(Document(file_id="file-paper")),
        st.just(Document(mime="video/mp4", data="AAAAIGZ0eXA=")),
    )


def sounds() -> st.SearchStrategy[Part]:
    return st.just(Audio(mime="audio/wav", data=WAV))


def opaques() -> st.SearchStrategy[Part]:
    """What only one protocol knows; its own form must be right, since its own side passes it on."""
    return st.sampled_from([Opaque(origin, deepcopy(raw)) for origin, raw in OPAQUES.items()])


OPAQUES: dict[str, dict[str, Any]] = {
    "openai": {"executed_tools": [{"type": "search", "index": 0}]},
    "responses": {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q", "queries": ["q"]},
    },
    "claude": {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    "gemini": {"executableCode": {"language": "PYTHON", "code": "1+1"}},
}


# ---------------------------------------------------------------------------------------------------------------------
# Conversations


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """One exchange: perhaps a system message, the user, the assistant, results of its calls, its last words."""
    found: list[Message] = []
    if draw(st.integers(0, 5)) == 0:
        found.append(Message("system", [Text(draw(texts()))]))
    said = st.one_of(texts().map(Text), texts().map(Text), images(), documents(), sounds())
    found.append(Message("user", draw(st.lists(said, min_size=1, max_size=3))))
    if draw(st.booleans()):
        found += draw(steps())
    if draw(st.booleans()):
        found.append(Message("assistant", draw(words())))
    return found


@st.composite
def words(draw: st.DrawFn) -> list[Part]:
    """What an assistant says without calling anything: thoughts, then text or a refusal."""
    parts: list[Part] = draw(st.lists(thoughts(), max_size=2))
    parts.append(draw(st.one_of(texts().map(Text), texts().map(Text), texts().map(Refusal))))
    if draw(st.booleans()):
        parts += [*draw(st.lists(thoughts(), max_size=1)), Text(draw(texts()))]
    return parts


@st.composite
def steps(draw: st.DrawFn) -> list[Message]:
    """Calls, several at once, and their results in order."""
    called: list[Part] = [*draw(st.lists(thoughts(), max_size=1)), *draw(st.lists(texts().map(Text), max_size=1))]
    calls = [draw(calls_of()) for _ in range(draw(st.integers(1, 3)))]
    return [Message("assistant", [*called, *calls]), Message("tool", [draw(results_of(call)) for call in calls])]


@st.composite
def calls_of(draw: st.DrawFn) -> ToolCall:
    arguments = draw(json_objects())
    spelled = json.dumps(arguments) if draw(st.booleans()) else arguments
    return ToolCall(draw(tool_ids()), draw(names()), spelled)


@st.composite
def results_of(draw: st.DrawFn, call: ToolCall) -> ToolResult:
    parts: list[Part] = [Text(draw(texts()))]
    if draw(st.integers(0, 3)) == 0:
        parts.append(draw(st.one_of(images(), documents())))
    return ToolResult(call.id, call.name if draw(st.booleans()) else "", parts, is_error=draw(st.booleans()))


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Ids are unique in a conversation; each step's results are those of its calls."""
    messages = [message for _ in range(draw(st.integers(1, 3))) for message in draw(turns())]
    calls: list[ToolCall] = []
    for message in messages:
        for number, part in enumerate(message.parts):
            if isinstance(part, ToolResult):
                part.id = calls[number - len(message.parts)].id
            elif isinstance(part, ToolCall):
                part.id = f"{part.id}_{len(calls)}"
                calls.append(part)
    return messages


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request as it was read from any protocol, without what only that protocol says."""
    tools = draw(st.lists(tool_definitions(), max_size=2, unique_by=lambda tool: tool.name))
    request = Request(
        origin=draw(_ORIGINS),
        model="model",
        system=[Text(text) for text in draw(st.lists(texts(), max_size=2))],
        messages=draw(conversations()),
        tools=list(tools),
        tool_choice=draw(st.none() | choices(tools)) if tools else None,
        parallel_tool_calls=draw(st.sampled_from([None, None, False])) if tools else None,
        format=draw(st.none() | formats()),
        reasoning=draw(st.none() | reasoning_options()),
        sampling=draw(samplings()),
        user=draw(st.sampled_from(["", "", "user-1"])),
        metadata=draw(st.sampled_from([None, None, {"a": "b"}])),
        store=draw(st.sampled_from([None, None, False])),
        logprobs=draw(st.sampled_from([None, None, 2])),
    )
    request.stream = draw(st.booleans())
    return request


def tool_definitions() -> st.SearchStrategy[Tool]:
    strict = st.sampled_from([None, None, True, False])
    function = st.builds(Tool, names(), texts(), schemas(), strict=strict)
    bare = st.builds(Tool, names(), st.just(""), st.none())
    return st.one_of(function, function, bare)


def choices(tools: list[Tool]) -> st.SearchStrategy[ToolChoice]:
    modes = st.sampled_from(["auto", "none", "required"]).map(lambda mode: ToolChoice(mode))
    named = st.sampled_from([tool.name for tool in tools]).map(lambda name: ToolChoice("tool", name))
    return modes | named


def formats() -> st.SearchStrategy[ResponseFormat]:
    schema = st.builds(lambda schema: ResponseFormat("json_schema", schema, "answer"), schemas())
    return st.just(ResponseFormat("text")) | st.just(ResponseFormat("json")) | schema


def reasoning_options() -> st.SearchStrategy[ReasoningOptions]:
    return st.sampled_from(
        [
            ReasoningOptions(enabled=False),
            ReasoningOptions(enabled=True),
            ReasoningOptions(enabled=True, budget=5_000),
            ReasoningOptions(enabled=True, adaptive=True),
            *(ReasoningOptions(effort=effort) for effort in ("none", "minimal", "low", "medium", "high", "max")),
        ]
    ).map(deepcopy)


@st.composite
def samplings(draw: st.DrawFn) -> Sampling:
    def maybe(values: list[Any]) -> Any:
        return draw(st.sampled_from([None, None, *values]))

    return Sampling(
        temperature=maybe([0.0, 0.5, 1.5]),
        top_p=maybe([0.1, 1.0]),
        top_k=maybe([1, 40]),
        min_p=maybe([0.05]),
        seed=maybe([7]),
        frequency_penalty=maybe([0.5]),
        presence_penalty=maybe([-0.5]),
        repeat_penalty=maybe([1.1]),
        max_tokens=maybe([64, 20_000]),
        stop=draw(st.lists(st.sampled_from(["END", "\n\nHuman:", " x "]), max_size=2, unique=True)),
    )


# ---------------------------------------------------------------------------------------------------------------------
# Sink calls

_PLAIN_ENDS = ("stop", "stop_sequence", "length", "content_filter", "refusal", "pause")
_ENDS_OF_CALLS = ("tool_calls", "tool_calls", "length")


class _Script:
    """A sequence in the making; the calls that are open."""

    def __init__(self, draw: st.DrawFn, interleaved: bool) -> None:
        self.draw = draw
        self.interleaved = interleaved
        self.calls: Calls = [("start", "up-1", "upstream-model", 1_700_000_000)]
        self.pending: dict[int, list[str]] = {}
        self.begun = 0
        self.refused = False
        self.counts = Usage()

    def text(self) -> None:
        self.calls += [
            ("text", piece) for piece in self.draw(st.lists(texts(blank=True).filter(bool), min_size=1, max_size=3))
        ]

    def refusal(self) -> None:
        self.refused = True
        self.calls.append(("refusal", self.draw(texts())))

    def citation(self) -> None:
        citation = Citation(self.draw(_ORIGINS), {}, url="https://a.example/", title="A", cited="cited")
        citation.raw = CITATIONS[citation.origin]
        self.calls += [("text", "cited"), ("citation", citation)]

    def thought(self) -> None:
        self.calls += [("thinking", piece) for piece in self.draw(st.lists(texts(), min_size=1, max_size=2))]
        if self.draw(st.booleans()):
            self.calls.append(("signature", *self.draw(proofs())))

    def lone_signature(self) -> None:
        self.calls.append(("signature", *self.draw(proofs())))

    def redacted(self) -> None:
        self.calls.append(("redacted", *self.draw(redacted())))

    def tool(self) -> None:
        key, self.begun = self.begun, self.begun + 1
        self.calls.append(("tool_start", key, f"call_{key}", self.draw(names()), "function"))
        written = json.dumps(self.draw(json_objects()), ensure_ascii=self.draw(st.booleans()))
        self.pending[key] = _cut(written, self.draw(st.lists(st.integers(0, len(written)), max_size=3)))
        if not self.interleaved:
            self.end_all()

    def custom(self) -> None:
        key, self.begun = self.begun, self.begun + 1
        self.calls.append(("tool_start", key, f"call_{key}", "apply_patch", "custom"))
        self.pending[key] = [self.draw(texts())]
        self.end_all()

    def more(self) -> None:
        if self.pending:
            key = self.draw(st.sampled_from(sorted(self.pending)))
            if self.pending[key]:
                self.calls.append(("tool_arguments", key, self.pending[key].pop(0)))
            else:
                self.end(key)

    def end(self, key: int) -> None:
        self.calls += [("tool_arguments", key, piece) for piece in self.pending.pop(key)]
        self.calls.append(("tool_end", key))

    def end_all(self) -> None:
        for key in self.draw(st.permutations(sorted(self.pending))):
            self.end(key)

    def picture(self) -> None:
        self.calls.append(("media", Image(mime="image/png", data=PNG)))

    def opaque(self) -> None:
        part = self.draw(opaques())
        assert isinstance(part, Opaque)
        self.calls.append(("opaque", part.origin, deepcopy(part.raw)))

    def usage(self) -> None:
        grown = self.draw(st.tuples(*[st.integers(0, 500)] * 5))
        old, (into, out, read, write, thought) = self.counts, grown
        self.counts = Usage(
            old.input + into + read + write,
            old.output + out + thought,
            old.cache_read + read,
            old.cache_write + write,
            old.reasoning + thought,
        )
        self.calls.append(("usage", self.counts))


CITATIONS: dict[str, dict[str, Any]] = {
    "openai": {
        "type": "url_citation",
        "url_citation": {"url": "https://a.example/", "title": "A", "start_index": 0, "end_index": 5},
    },
    "responses": {"type": "url_citation", "url": "https://a.example/", "title": "A", "start_index": 0, "end_index": 5},
    "claude": {
        "type": "web_search_result_location",
        "url": "https://a.example/",
        "title": "A",
        "cited_text": "cited",
        "encrypted_index": "Eo8B",
    },
    "gemini": {"web": {"uri": "https://a.example/", "title": "A"}},
    "ollama": {},
}

_STEPS: tuple[Callable[[_Script], None], ...] = (
    _Script.text,
    _Script.text,
    _Script.thought,
    _Script.tool,
    _Script.tool,
    _Script.more,
    _Script.more,
    _Script.usage,
    _Script.refusal,
    _Script.citation,
    _Script.lone_signature,
    _Script.redacted,
    _Script.custom,
    _Script.picture,
    _Script.opaque,
)


@st.composite
def sink_calls(draw: st.DrawFn, ends: bool = True) -> Calls:
    """A legal sequence; it ends in `finish`, or without `ends` in an error."""
    script = _Script(draw, interleaved=draw(st.booleans()))
    for step in draw(st.lists(st.sampled_from(_STEPS), max_size=9)):
        step(script)
    if not ends:
        return [*script.calls, ("error", UpstreamError("it broke", status=500))]
    script.end_all()
    if draw(st.booleans()):
        script.usage()
    reason = draw(st.sampled_from(_ENDS_OF_CALLS if script.begun else ("refusal",) if script.refused else _PLAIN_ENDS))
    return [*script.calls, ("finish", reason, "END" if reason == "stop_sequence" else None)]


def _cut(text: str, places: list[int]) -> list[str]:
    ordered = [0, *sorted(places), len(text)]
    return [piece for a, b in pairwise(ordered) if (piece := text[a:b])]


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    """`data` cut at these places (counted around)."""
    ordered = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(ordered)]


# ---------------------------------------------------------------------------------------------------------------------
# Wire documents and damage

_STREAMS: dict[str, tuple[str, ...]] = {
    "openai": ("text.sse", "azure.sse", "thinking_and_tools.sse"),
    "claude": ("text.sse", "tools.sse", "server_tools.sse", "redacted.sse", "sloppy.sse", "error.sse", "cut.sse"),
    "gemini": ("stream-text.txt", "stream-calls.txt", "stream-partial.txt", "stream-grounded.txt", "stream-array.txt"),
    "ollama": ("text.ndjson", "thinking_calls.ndjson", "length.ndjson", "generate.ndjson", "error.ndjson", "no_end.ndjson"),
}


def streams(name: str) -> list[bytes]:
    """Realistic streams of this protocol: those of the test data, and what its Encoder writes of a rich answer."""
    found = [(DATA / name / file).read_bytes() for file in _STREAMS.get(name, ())]
    return [*found, _encoded(name)]


def _encoded(name: str) -> bytes:
    encoder = PROTOCOLS[name].chat.encoder(context_of(name))
    for call, *arguments in RICH:
        getattr(encoder, call)(*arguments)
    return encoder.take()


RICH: Calls = [
    ("start", "up-1", "m", 5),
    ("thinking", "hm"),
    ("signature", "c2ln", "claude"),
    ("text", "Hi "),
    ("text", "there"),
    ("tool_start", 0, "call_a", "read", "function"),
    ("tool_arguments", 0, '{"a":'),
    ("tool_arguments", 0, " 1}"),
    ("tool_end", 0),
    ("usage", Usage(5, 4, 1, 1, 2)),
    ("finish", "tool_calls", None),
]


def context_of(name: str, upstream: str = "", **more: Any) -> Context:
    """A context whose client speaks this protocol."""
    shape = "sse" if name == "gemini" else ""
    usual = {"client": name, "upstream": upstream or name, "id": "ab" * 12, "created": 1_770_000_000, "model": "asked"}
    return Context(**usual | {"shape": shape, "stream": True} | more)


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A realistic stream, with random damage: values exchanged within its JSON, and bytes cut, doubled or replaced."""
    stream = draw(st.sampled_from(streams(name)))
    if draw(st.booleans()):
        stream = b"\n".join(draw(_damaged_lines(stream)))
    for _ in range(draw(st.integers(0, 3))):
        stream = draw(_damaged_bytes(stream))
    return stream


@st.composite
def _damaged_lines(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    lines = stream.split(b"\n")
    carriers = [number for number, line in enumerate(lines) if b"{" in line]
    for number in draw(st.lists(st.sampled_from(carriers), min_size=1, max_size=2, unique=True)) if carriers else ():
        head, brace, body = lines[number].partition(b"{")
        try:
            document = jsontext.loads(brace + body)
        except jsontext.JSONError:
            continue
        lines[number] = head + jsontext.dumps(draw(changed(document)))
    return lines


@st.composite
def _damaged_bytes(draw: st.DrawFn, stream: bytes) -> bytes:
    a, b = sorted((draw(st.integers(0, len(stream))), draw(st.integers(0, len(stream)))))
    kind = draw(st.sampled_from(["cut", "drop", "double", "replace", "insert"]))
    junk = draw(
        st.binary(max_size=4) | st.sampled_from([b"\r\n", b"\n\n", b"{", b"}", b"null", b"data: [DONE]\n\n", b"\xff"])
    )
    return {
        "cut": stream[:b],
        "drop": stream[:a] + stream[min(b, a + 9) :],
        "double": stream[:b] + stream[a:],
        "replace": stream[:a] + junk + stream[a + len(junk) :],
        "insert": stream[:a] + junk + stream[a:],
    }[kind]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """`document` with one to three values in it exchanged for any JSON, or left out."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places:
            return draw(json_values())
        holder, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 4)) == 0:
            del holder[key]
        else:
            holder[key] = draw(json_values())
    return document


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of every value within."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in list(items):
            found.append((one, key))
            waiting.append(inner)
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Streams that would be dear if anything were looked at twice. Each: (protocol, what is in it) -> the stream for a size.


def _event(document: Any) -> bytes:
    return b"data: " + jsontext.dumps(document) + b"\n\n"


def _delta(**delta: Any) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta}]})


def _piece(index: Any, arguments: str, **more: Any) -> bytes:
    return _delta(tool_calls=[{"index": index, "function": {"arguments": arguments, "name": "f"}, **more}])


def _gemini(call: Any) -> bytes:
    return _event({"candidates": [{"content": {"parts": [{"functionCall": call}]}}]})


def _partial(path: str, **value: Any) -> bytes:
    return _gemini({"partialArgs": [{"jsonPath": path, **value}], "willContinue": True})


_CLAUDE_START = _event({"type": "message_start", "message": {}})


def _block(number: int, **block: Any) -> bytes:
    return _event({"type": "content_block_start", "index": number, "content_block": block})


def _call_block(number: int) -> bytes:
    return _block(number, type="tool_use", id=f"c{number}", name="f", input={})


def _stop(number: int) -> bytes:
    return _event({"type": "content_block_stop", "index": number})


def _item(number: int) -> bytes:
    item = {"type": "function_call", "id": f"i{number}", "call_id": "c", "name": "f", "arguments": "{}"}
    return _event({"type": "response.output_item.done", "output_index": number, "item": item})


def _each(make: Callable[[int], bytes], n: int) -> bytes:
    return b"".join(make(number) for number in range(n))


ADVERSARIES: dict[tuple[str, str], Callable[[int], bytes]] = {
    ("openai", "arguments and text in turn"): lambda n: (_piece(0, '{"a":"x}', id="c") + _delta(content="y")) * n,
    ("openai", "arguments that are no JSON and text"): lambda n: (_piece(0, "{}x", id="c") + _delta(content="y")) * n,
    ("openai", "many calls open"): lambda n: _each(lambda i: _piece(i, '{"a', id=f"c{i}"), n) + _delta(content="y") * n,
    ("openai", "many calls that end"): lambda n: _each(lambda i: _piece(i, "{}", id=f"c{i}"), n) + _delta(content="y"),
    ("openai", "no index"): lambda n: _each(lambda i: _piece(None, '{"a":"' if i == 0 else "x}"), n),
    ("openai", "snapshots that are none"): lambda n: _each(lambda i: _piece(0, "{" + "a" * (i % 50), id="c"), n),
    ("claude", "a string of an unknown block"): lambda n: (
        _CLAUDE_START
        + _block(0, type="odd", s="")
        + _event({"type": "content_block_delta", "index": 0, "delta": {"type": "odd_delta", "s": "x" * 40}}) * n
    ),
    ("claude", "many calls open"): lambda n: _CLAUDE_START + _each(_call_block, n) + _each(_stop, n),
    ("gemini", "a string in pieces"): lambda n: (
        _gemini({"name": "f", "willContinue": True}) + _partial("$.a", stringValue="x" * 20) * n
    ),
    ("gemini", "an array with gaps"): lambda n: (
        _gemini({"name": "f", "willContinue": True}) + _each(lambda i: _partial(f"$.a{i}[99]", boolValue=True), n)
    ),
    ("gemini", "blanks"): lambda n: b" " * n * 40,
    ("gemini", "brackets"): lambda n: b"[" * n,
    ("responses", "texts of one item"): lambda n: _each(
        lambda i: _event({"type": "response.output_text.delta", "item_id": "a", "content_index": i, "delta": "x"}), n
    ),
    ("responses", "many items"): lambda n: _each(_item, n),
    ("ollama", "many calls"): lambda n: (
        b'{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":{}}}]}}\n' * n
    ),
    ("ollama", "one line"): lambda n: b"x" * n * 80,
}
