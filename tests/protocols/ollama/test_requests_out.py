"""Requests of other protocols for an Ollama upstream."""

from __future__ import annotations

from typing import Any

import pytest
from ollama._types import ChatRequest

from ccproxy.errors import Unsupported
from ccproxy.model import (
    Audio,
    Context,
    Document,
    Effort,
    Extras,
    Image,
    Message,
    Opaque,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Request,
    ResponseFormat,
    Sampling,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Traits,
)
from ccproxy.protocols.ollama.requests_in import NAME
from ccproxy.protocols.ollama.requests_out import write_request
from ccproxy.turns import INTERRUPTED

ELSEWHERE = "elsewhere"
EMPTY = {"type": "object", "properties": {}}


def written(notes: list[str] | None = None, target: Target | None = None, **fields: Any) -> dict[str, Any]:
    context = Context(client=ELSEWHERE, upstream=NAME)
    request = Request(origin=ELSEWHERE, model="m", **{"messages": [Message("user", [Text("Hi")])], **fields})
    document = write_request(request, target or Target(protocol=NAME, model="m"), context)
    if notes is not None:
        notes += context.notes
    return document


def messages(*given: Message, notes: list[str] | None = None, **fields: Any) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = written(notes, messages=list(given), **fields)["messages"]
    ChatRequest(model="m", messages=out)
    return out


def test_nothing_is_invented() -> None:
    assert written() == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": False}


def test_what_others_say_beyond_the_model_stays_away() -> None:
    document = written(
        extras=Extras(ELSEWHERE, {"service_tier": "flex"}),
        messages=[
            Message("user", [Text("Hi", extras=Extras(ELSEWHERE, {"x": 1}))], extras=Extras(ELSEWHERE, {"name": "n"}))
        ],
    )
    assert document == written()


def test_system_texts_lead_and_later_ones_stay() -> None:
    given = [
        Message("system", [Text("B"), Text("C")]),
        Message("user", [Text("Hi"), Text("there")]),
        Message("system", [Text("later")]),
    ]
    assert messages(*given, system=[Text("A")]) == [
        {"role": "system", "content": "A\n\nB\n\nC"},
        {"role": "user", "content": "Hi\nthere"},
        {"role": "system", "content": "later"},
    ]


def test_a_tool_turn() -> None:
    call = ToolCall("id1", "f", '{"b":1,"a":123456789012345678901234567890}')
    given = [
        Message("user", [Text("Hi")]),
        Message("assistant", [Reasoning("Hm.", signature="s", origin=ELSEWHERE), Text("One"), Text(", two."), call]),
        Message("tool", [ToolResult("id1", "", [Text("x"), Image(data="QUJD", mime="image/png")], is_error=True)]),
    ]
    notes: list[str] = []
    out = messages(*given, notes=notes)
    assert out[1:] == [
        {
            "role": "assistant",
            "content": "One, two.",
            "thinking": "Hm.",
            "tool_calls": [
                {"id": "id1", "function": {"name": "f", "arguments": {"b": 1, "a": 123456789012345678901234567890}}}
            ],
        },
        {"role": "tool", "content": "x", "images": ["QUJD"], "tool_name": "f", "tool_call_id": "id1"},
    ]
    assert list(out[1]["tool_calls"][0]["function"]["arguments"]) == ["b", "a"]
    assert notes == ["the error mark of a tool result has no place in the ollama protocol and was left out"]


def test_histories_are_settled() -> None:
    given = [
        Message("assistant", [ToolCall("a", "f", "{}"), ToolCall("b", "g", "cut {")]),
        Message("user", [Text("stop")]),
        Message("tool", [ToolResult("a", "f", [Text("1")])]),
    ]
    assert messages(*given)[1:] == [
        {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "a"},
        {"role": "tool", "content": INTERRUPTED, "tool_name": "g", "tool_call_id": "b"},
        {"role": "user", "content": "stop"},
    ]


def test_custom_calls_are_wrapped() -> None:
    (out, _) = messages(Message("assistant", [ToolCall("a", "patch", "*** Begin", kind="custom")]))
    assert out["tool_calls"][0]["function"]["arguments"] == {"input": "*** Begin"}


@pytest.mark.parametrize(
    ("part", "content", "noted"),
    [
        (Refusal("No."), "No.", ""),
        (Document(text="plain", name="a.txt"), "a.txt\nplain", ""),
        (Document(text="plain"), "plain", ""),
        (
            Document(data="AA", name="a.pdf"),
            "[document a.pdf left out: the ollama protocol has no place for it here]",
            "a.pdf",
        ),
        (Audio(data="AA"), "[audio left out: the ollama protocol has no place for it here]", "audio left out"),
    ],
)
def test_parts_as_text(part: Any, content: str, noted: str) -> None:
    notes: list[str] = []
    assert messages(Message("user", [part]), notes=notes) == [{"role": "user", "content": content}]
    assert noted in "".join(notes)
    assert bool(notes) == bool(noted)


@pytest.mark.parametrize("image", [Image(data="AAAA", mime="image/png"), Image(url="data:image/png;base64,AAAA")])
def test_images_are_bare_base64(image: Image) -> None:
    """F188."""
    assert messages(Message("user", [Text("See"), image])) == [{"role": "user", "content": "See", "images": ["AAAA"]}]


@pytest.mark.parametrize("image", [Image(url="https://x.test/a.png"), Image(file_id="file-1")])
def test_images_elsewhere_are_refused(image: Image) -> None:
    with pytest.raises(Unsupported, match="image"):
        messages(Message("user", [image]))


def test_what_only_others_know_is_left_out() -> None:
    notes: list[str] = []
    parts = [Opaque(ELSEWHERE, {"type": "search"}), Reasoning(redacted="x", origin=ELSEWHERE), Text("")]
    assert messages(Message("assistant", parts), Message("user", [Text("Hi")]), notes=notes) == [
        {"role": "user", "content": "Hi"}
    ]
    assert len(notes) == 2


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def tools(*given: Tool | Opaque, choice: ToolChoice | None = None, notes: list[str] | None = None) -> Any:
    return written(notes, tools=list(given), tool_choice=choice).get("tools")


def test_tools() -> None:
    notes: list[str] = []
    out = tools(
        Tool(
            "f", "does f", {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string", "minLength": 1}}}
        ),
        Tool("g", strict=True, extras=Extras(ELSEWHERE, {"defer": True})),
        Tool("patch", kind="custom", grammar={"type": "text"}),
        Opaque(ELSEWHERE, {"type": "web_search"}),
        notes=notes,
    )
    assert [one["function"] for one in out] == [
        {
            "name": "f",
            "description": "does f",
            "parameters": {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}},
        },
        {"name": "g", "parameters": EMPTY},
        {
            "name": "patch",
            "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
        },
    ]
    assert {one["type"] for one in out} == {"function"}
    assert notes == [
        "`strict` of tools has no place in the ollama protocol and was left out",
        "the custom tool patch was offered as a function with one text",
        "the tool web_search was left out: only the elsewhere protocol knows it",
    ]
    ChatRequest(model="m", messages=[], tools=out)


@pytest.mark.parametrize(
    ("choice", "names", "noted"),
    [
        (ToolChoice("auto"), ["f", "g"], False),
        (ToolChoice("none"), None, False),
        (ToolChoice("required"), ["f", "g"], True),
        (ToolChoice("tool", "g"), ["g"], True),
        (ToolChoice("auto", allowed=["f"]), ["f"], False),
        (ToolChoice("required", allowed=["g"]), ["g"], True),
    ],
)
def test_tool_choice(choice: ToolChoice, names: list[str] | None, noted: bool) -> None:
    notes: list[str] = []
    out = tools(Tool("f"), Tool("g"), choice=choice, notes=notes)
    assert (out and [one["function"]["name"] for one in out]) == names
    assert bool(notes) is noted


# ---------------------------------------------------------------------------------------------------------------------
# The rest


def test_sampling_is_clamped_here() -> None:
    sampling = Sampling(
        temperature=2.4,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        seed=7,
        max_tokens=300,
        stop=["x"],
        presence_penalty=-1.5,
        frequency_penalty=1,
    )
    assert written(sampling=sampling)["options"] == {
        "temperature": 2,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "seed": 7,
        "frequency_penalty": 1,
        "presence_penalty": -1.5,
        "num_predict": 300,
        "stop": ["x"],
    }


def test_defaults_fill_in() -> None:
    target = Target(protocol=NAME, model="m", defaults={"max_tokens": 32_000, "temperature": 1})
    assert written(target=target, sampling=Sampling(temperature=0))["options"] == {"temperature": 0, "num_predict": 32_000}


@pytest.mark.parametrize(
    ("format", "wanted"),
    [
        (None, None),
        (ResponseFormat("text"), None),
        (ResponseFormat("json"), "json"),
        (ResponseFormat("json_schema"), "json"),
        (
            ResponseFormat("json_schema", {"$ref": "#/$defs/A", "$defs": {}}, "name", strict=True),
            {"$ref": "#/$defs/A", "$defs": {}},
        ),
    ],
)
def test_formats(format: ResponseFormat | None, wanted: Any) -> None:
    assert written(format=format).get("format") == wanted


LEVELS: tuple[Effort, ...] = ("low", "medium", "high")


@pytest.mark.parametrize(
    ("options", "levels", "wanted"),
    [
        (None, (), None),
        (ReasoningOptions(), (), None),
        (ReasoningOptions(enabled=True), (), True),
        (ReasoningOptions(adaptive=True), (), True),
        (ReasoningOptions(budget=9_000), (), True),
        (ReasoningOptions(enabled=False), (), False),
        (ReasoningOptions(effort="none"), (), False),
        (ReasoningOptions(budget=0), (), False),
        (ReasoningOptions(effort="high"), (), True),
        (ReasoningOptions(effort="high"), LEVELS, "high"),
        (ReasoningOptions(effort="minimal"), LEVELS, "low"),
        (ReasoningOptions(effort="max"), LEVELS, "high"),
        (ReasoningOptions(budget=2_000), LEVELS, "low"),
        (ReasoningOptions(enabled=True), LEVELS, True),
    ],
)
def test_thinking(options: ReasoningOptions | None, levels: tuple[Effort, ...], wanted: Any) -> None:
    target = Target(protocol=NAME, model="m", traits=Traits(efforts=levels))
    assert written(target=target, reasoning=options).get("think") == wanted


def test_several_choices_are_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        written(choices=2)
    assert caught.value.param == "n"


def test_knobs_without_a_place_are_noted() -> None:
    notes: list[str] = []
    document = written(notes, parallel_tool_calls=False, logprobs=0, user="u", metadata={"a": "b"}, store=True, choices=1)
    assert document == written()
    assert [note.split()[0] for note in notes] == ["parallel_tool_calls", "logprobs", "user", "metadata", "store"]
    quiet: list[str] = []
    written(quiet, parallel_tool_calls=True, store=False)
    assert quiet == []


def test_what_changes_on_the_way_is_told() -> None:
    notes: list[str] = []
    written(
        notes,
        sampling=Sampling(temperature=-1),
        format=ResponseFormat("json_schema", {"type": "object"}, description="why"),
        tools=[Tool("f"), Opaque(ELSEWHERE, {"type": "web_search"})],
        tool_choice=ToolChoice("tool", "f"),
        reasoning=ReasoningOptions(budget=9),
    )
    for word in ("temperature -1", "description of the response format", "web_search", "budget"):
        assert any(word in note for note in notes), word
