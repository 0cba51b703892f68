from __future__ import annotations

from ccproxy.errors import Broken
from ccproxy.model import Citation, Image, Opaque, Reasoning, Refusal, Text, ToolCall, Usage
from ccproxy.stream import Collector, Sink, Stage
from tests.tools import Recorder

EVERY_CALL = [
    ("start", "id", "model", 7),
    ("thinking", "hm"),
    ("signature", "sig", "x"),
    ("redacted", "data", "x"),
    ("text", "a"),
    ("citation", Citation("x", {}, url="u")),
    ("refusal", "no"),
    ("tool_start", 0, "id0", "f", "function"),
    ("tool_arguments", 0, "{}"),
    ("tool_end", 0),
    ("media", Image(data="AA==")),
    ("opaque", "x", {"a": 1}),
    ("usage", Usage(1, 2)),
    ("finish", "stop", None),
]


def play(sink: Sink, calls: list[tuple]) -> None:
    for name, *arguments in calls:
        getattr(sink, name)(*arguments)


def test_a_stage_forwards_every_call_as_it_is() -> None:
    recorder = Recorder()
    play(Stage(recorder), [*EVERY_CALL, ("error", Broken("x"))])
    assert [call[0] for call in recorder.calls] == [call[0] for call in EVERY_CALL] + ["error"]
    assert recorder.calls[:-1] == EVERY_CALL
    assert {name for name in vars(Sink) if not name.startswith("_")} == {call[0] for call in recorder.calls}


def test_a_sink_takes_every_call_and_does_nothing() -> None:
    play(Sink(), [*EVERY_CALL, ("error", Broken("x"))])


def test_the_collector_keeps_order_and_joins_runs() -> None:
    collector = Collector()
    play(
        collector,
        [
            ("start", "id", "m", 7),
            ("thinking", "let "),
            ("thinking", "me"),
            ("signature", "sig", "x"),
            ("text", "a"),
            ("text", "b"),
            ("tool_start", 1, "c1", "f"),
            ("tool_start", 2, "c2", "g"),
            ("tool_arguments", 2, "{}"),
            ("tool_arguments", 1, '{"a"'),
            ("tool_arguments", 1, ":1}"),
            ("tool_end", 1),
            ("tool_end", 2),
            ("thinking", "more"),
            ("text", "c"),
            ("usage", Usage(3, 4)),
            ("finish", "tool_calls", None),
        ],
    )
    answer = collector.answer
    assert collector.done
    assert collector.failure is None
    assert answer.parts == [
        Reasoning("let me", signature="sig", origin="x"),
        Text("ab"),
        ToolCall("c1", "f", '{"a":1}'),
        ToolCall("c2", "g", "{}"),
        Reasoning("more"),
        Text("c"),
    ]
    assert (answer.id, answer.model, answer.created, answer.finish, answer.usage) == (
        "id",
        "m",
        7,
        "tool_calls",
        Usage(3, 4),
    )


def test_the_collector_keeps_what_is_whole() -> None:
    collector = Collector()
    citation = Citation("x", {"u": 1}, url="u")
    image = Image(data="AA==")
    play(
        collector,
        [
            ("start", "", "", 0),
            ("signature", "alone", "x"),
            ("redacted", "data", "x"),
            ("citation", citation),
            ("refusal", "no"),
            ("media", image),
            ("opaque", "x", {"a": 1}),
            ("finish", "stop_sequence", "END"),
        ],
    )
    assert collector.answer.parts == [
        Reasoning(signature="alone", origin="x"),
        Reasoning(redacted="data", origin="x"),
        Text("", citations=[citation]),
        Refusal("no"),
        image,
        Opaque("x", {"a": 1}),
    ]
    assert collector.answer.stop_sequence == "END"


def test_a_broken_stream_keeps_what_came() -> None:
    collector = Collector()
    error = Broken("cut")
    play(collector, [("start", "", "", 0), ("text", "a"), ("tool_start", 0, "c", "f"), ("tool_arguments", 0, '{"a')])
    collector.error(error)
    assert collector.done
    assert collector.failure is error
    assert collector.answer.parts == [Text("a"), ToolCall("c", "f", '{"a')]


def test_a_citation_without_a_text_has_one_of_its_own() -> None:
    collector = Collector()
    play(
        collector, [("start", "", "", 0), ("thinking", "hm"), ("citation", Citation("x", {}, url="u")), ("finish", "stop")]
    )
    assert [type(part) for part in collector.answer.parts] == [Reasoning, Text]
    assert [one.url for one in collector.answer.parts[1].citations] == ["u"]
