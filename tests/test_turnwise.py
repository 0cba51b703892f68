"""A conversation that is converted turn by turn becomes, each time, what it becomes as a whole: the same bytes, and a
context that knows the same."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from ccproxy import conversion, convert, turnwise
from ccproxy.codec import jsontext
from ccproxy.codec.news import WIDEST
from ccproxy.convert import convert_request, new_context
from ccproxy.errors import CcproxyError, Unsupported
from ccproxy.model import SEALED, Context, Message, Request, Target, Text, ToolCall, ToolResult, Traits
from ccproxy.policy.rewrite import Rules
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from ccproxy.turnwise import Conversations, kept
from tests.protocols.strategies import NAMES, changed, conversations, requests, steps
from tests.protocols.test_growing import asked
from tests.protocols.test_properties import PROFILE, of_another, written
from tests.test_request_judge import CASES, Case
from tests.tools import known

MODELS = {
    "openai": ("m", "deepseek-reasoner", "mistral-large-latest", "gpt-5"),
    "responses": ("m", "gpt-5"),
    "claude": ("claude-sonnet-4-5", "claude-opus-4-7", "m"),
    "gemini": ("gemini-2.5-flash", "gemini-3-pro-preview", "gemini-1.5-flash"),
    "ollama": ("m", "gpt-oss:20b"),
}
RULES = (
    None,
    None,
    Rules(injection="enhance", prompt="Be brief.", temperature_ratio=0.5),
    Rules(injection="replace", prompt="Be brief.", position="user", tool_filter=("Read",)),
    Rules(replacements=(("a", "e"), ("ß", "")), strip_billing_line=True),
)
MARK = {"cache_control": {"type": "ephemeral"}}
MANY = 1 << 24


def prepared(
    document: dict[str, Any],
    client: str,
    target: Target,
    rules: Rules | None,
    known: Conversations | None,
    stream: bool = True,
) -> Any:
    """What comes of a request: the body, and what the context knows; or the error."""
    return sent(jsontext.dumps(document), client, target, rules, known, stream)


def sent(
    body: bytes, client: str, target: Target, rules: Rules | None, known: Conversations | None, stream: bool = True
) -> Any:
    context = new_context(client=client, upstream=target.protocol, model="asked")
    call = Call(model=target.model, stream=stream, query={"alt": "sse"})
    try:
        document = conversion.document_of(body)
        done = conversion.prepare(
            body, document, PROTOCOLS[client], PROTOCOLS[target.protocol], target, context, call, rules=rules, known=known
        )
    except CcproxyError as error:
        return type(error), str(error), error.param if hasattr(error, "param") else None
    assert jsontext.dumps(document) == jsontext.dumps(conversion.document_of(body))  # left as it came
    if done.remember is not None:
        done.remember()
    if done.remember is not None:
        done.remember()
    return done.body, facts(context)


def facts(context: Context) -> dict[str, Any]:
    return {
        "notes": sorted(name for note in context.notes for name in note.split(", ")),
        "names": context.tool_names,
        "ids": context.tool_ids,
        "tools": context.tools,
        "echo": context.echo,
        "stream": (context.stream, context.include_usage, context.shape),
    }


def history_of(document: dict[str, Any], client: str) -> list[Any]:
    found = document[PROTOCOLS[client].chat.conversation[0]]
    assert isinstance(found, list)
    return found


@st.composite
def growing(draw: st.DrawFn, client: str) -> list[dict[str, Any]]:
    """Requests of a conversation as it goes on, as that protocol's client says them; in some something is changed, cut off
    or marked that an earlier one had otherwise."""
    request = draw(requests())
    if draw(st.booleans()):
        request.messages = [Message("user", [Text("go")])]
    for _ in range(draw(st.integers(2, 5))):
        request.messages += draw(st.one_of(steps(), steps(), conversations()))
    if draw(st.integers(0, 3)):
        request.format, request.reasoning, request.tool_choice = None, None, None
        _tell_ids_apart(request.messages)
    try:
        document, _ = written(of_another(request, client), client)
    except Unsupported:
        reject()
    history = history_of(document, client)
    found = []
    for end in sorted(draw(st.lists(st.integers(1, len(history)), min_size=2, max_size=5))):
        turn = {**document, PROTOCOLS[client].chat.conversation[0]: deepcopy(history[:end])}
        found.append(draw(st.sampled_from([_same, _same, _same, _changed, _marked]))(draw, turn, client))
    return found


def _tell_ids_apart(messages: list[Message]) -> None:
    calls: list[ToolCall] = []
    for message in messages:
        for number, part in enumerate(message.parts):
            if isinstance(part, ToolResult):
                part.id = calls[number - len(message.parts)].id
            elif isinstance(part, ToolCall):
                part.id = f"call_{len(calls)}"
                calls.append(part)


def _same(draw: st.DrawFn, document: dict[str, Any], client: str) -> dict[str, Any]:
    return document


def _changed(draw: st.DrawFn, document: dict[str, Any], client: str) -> dict[str, Any]:
    found: dict[str, Any] = draw(changed(document))
    return found if isinstance(found, dict) else document


def _marked(draw: st.DrawFn, document: dict[str, Any], client: str) -> dict[str, Any]:
    for message in history_of(document, client)[-2:]:
        content = message.get("content")
        if isinstance(content, list) and content and isinstance(content[-1], dict):
            content[-1] |= MARK
    return document


@pytest.fixture(autouse=True)
def nothing_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_LARGE", 0)
    monkeypatch.setattr(turnwise, "LONG", 0)


@pytest.mark.parametrize("long", [0, 100])
@pytest.mark.parametrize("client", NAMES)
@settings(PROFILE)
@given(data=st.data())
def test_each_turn_is_what_it_is_alone(client: str, long: int, data: st.DataObject) -> None:
    """In pieces, and with nothing but the settings remembered."""
    turnwise.LONG = long
    turns = data.draw(growing(client))
    name = data.draw(st.sampled_from(NAMES))
    target = known(Target(protocol=name, model=data.draw(st.sampled_from(MODELS[name]))))
    rules = data.draw(st.sampled_from(RULES))
    conversations = Conversations(MANY)
    for document in turns:
        alone = prepared(document, client, target, rules, None)
        assert prepared(document, client, target, rules, conversations) == alone
        assert prepared(document, client, target, rules, conversations) == alone


def test_all_that_a_body_is_searched_for_is_narrow_enough() -> None:
    words = {SEALED, b'"model"', *(word for protocol in PROTOCOLS.values() for word in protocol.chat.unfit)}
    assert max(map(len, words)) < WIDEST


@pytest.mark.parametrize("upstream", NAMES)
@pytest.mark.parametrize("client", NAMES)
def test_what_upsets_the_order_is_no_exception(client: str, upstream: str) -> None:
    """The conversations of `test_growing`, and back to an earlier turn of each."""
    target = known(Target(protocol=upstream, model=MODELS[upstream][0]))
    conversations = Conversations(MANY)
    turns = asked(client)
    for document in [*turns, *turns[::-1], *turns]:
        alone = prepared(document, client, target, None, None)
        assert prepared(document, client, target, None, conversations) == alone


RECORDED = [param for param in CASES if param.values[0] is not None]


@pytest.mark.parametrize("upstream", NAMES)
def test_recorded_requests_are_no_exception(upstream: str) -> None:
    target = known(Target(protocol=upstream, model=MODELS[upstream][0]))
    conversations = Conversations(MANY)
    for param in RECORDED:
        case = param.values[0]
        assert isinstance(case, Case)
        document, member = case.document, PROTOCOLS[case.protocol].chat.conversation[0]
        history = document.get(member)
        for end in range(1, len(history) + 1) if isinstance(history, list) else ():
            turn = {**document, member: history[:end]}
            alone = prepared(turn, case.protocol, target, None, None)
            assert prepared(turn, case.protocol, target, None, conversations) == alone


# ---------------------------------------------------------------------------------------------------------------------
# What one part of a request says about another


def responses_turn(steps: int, *more: dict[str, Any], at: int = 0) -> dict[str, Any]:
    """A Responses client's request after so many calls, with more items before the one at this place."""
    items: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for n in range(steps):
        call = {"type": "function_call", "call_id": f"c{n}", "name": "read", "arguments": "{}"}
        items += [call, {"type": "function_call_output", "call_id": f"c{n}", "output": f"r {n}"}]
    return {"model": "m", "input": [*items[:at], *more, *items[at:]]}


def bringing(*names: str, **more: Any) -> dict[str, Any]:
    """Codex's item with tools."""
    tools = [{"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}} for name in names]
    return {"type": "additional_tools", **more, "tools": tools}


def openai_turn(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "go"}, *messages], **more}


def marked_result(n: int) -> list[dict[str, Any]]:
    call = {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    content = [{"type": "text", "text": f"r {n}", **MARK}]
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{n}", "content": content},
    ]


CALLED = [
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "first"},
]
SAID = [{"role": "assistant", "content": "well"}, {"role": "user", "content": "and?"}]
AGAIN = [{"role": "assistant", "content": "wait"}, {"role": "function", "name": "f", "content": "second"}]

ENTANGLED: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "tools in the first item": ("responses", [responses_turn(n % 4, bringing(*("one", "two")[: n % 3])) for n in range(9)]),
    "tools in the first item, with a role": (
        "responses",
        [responses_turn(3, bringing(name, role="developer")) for name in ("one", "two", "one")],
    ),
    "tools later on": (
        "responses",
        [responses_turn(n, *[bringing("late", role="developer")][: n > 2], at=5) for n in range(2, 7)],
    ),
    "tools between the model's items": ("responses", [responses_turn(n, bringing("late"), at=2) for n in range(1, 4)]),
    "more marks than may be, within results": (
        "openai",
        [openai_turn(*(one for n in range(steps) for one in marked_result(n))) for steps in (2, 4, 5, 9)],
    ),
    "a result whose call is told by its place": (
        "openai",
        [openai_turn(*CALLED, *SAID), openai_turn(*CALLED, *SAID, *AGAIN), openai_turn(*CALLED, *SAID, *AGAIN, *SAID)],
    ),
}


@pytest.mark.parametrize("long", [0, 100])
@pytest.mark.parametrize("upstream", NAMES)
@pytest.mark.parametrize("what", ENTANGLED)
def test_parts_that_say_something_about_others(what: str, upstream: str, long: int) -> None:
    turnwise.LONG = long
    client, turns = ENTANGLED[what]
    target = known(Target(protocol=upstream, model=MODELS[upstream][0]))
    conversations = Conversations(MANY)
    for document in [*turns, *turns[::-1]]:
        alone = prepared(document, client, target, None, None)
        assert prepared(document, client, target, None, conversations) == alone


@pytest.mark.parametrize("long", [0, 100])
def test_a_piece_says_nothing_about_sampling(long: int) -> None:
    """Neither the provider's defaults nor the group's ratio, which the client's own settings have been told."""
    turnwise.LONG = long
    target = known(Target(protocol="claude", model="claude-opus-4-7", defaults={"temperature": 0.3}))
    for rules, said in ((None, 1), (Rules(temperature_ratio=2.0), 0.5)):
        alone = prepared(openai_turn(*SAID, temperature=said), "openai", target, rules, None)
        assert alone[1]["notes"] == []
        assert prepared(openai_turn(*SAID, temperature=said), "openai", target, rules, Conversations(MANY)) == alone


@pytest.mark.parametrize("long", [0, 100])
def test_others_who_say_the_same_share_nothing_that_differs(long: int) -> None:
    """Groups with other rules, targets that the vendor table knows otherwise, and who asks for a stream in the path."""
    turnwise.LONG = long
    targets = [
        Target(protocol="openai", model="m", provider="p", traits=traits)
        for traits in (Traits(), Traits(thoughts="reasoning_content", demands_thoughts=True))
    ]
    rules = [None, Rules(injection="enhance", prompt="Be brief."), Rules(replacements=(("go", "stay"),))]
    rules.append(Rules(temperature_ratio=0.5))
    document = {**turn_without_ids("gemini", 3), "systemInstruction": {"parts": [{"text": "go"}]}}
    conversations = Conversations(MANY)
    for rule, target, stream in [*product(rules, targets, (True, False))] * 2:
        alone = prepared(document, "gemini", target, rule, None, stream=stream)
        assert prepared(document, "gemini", target, rule, conversations, stream=stream) == alone


def test_a_name_that_nobody_looked_for_is_not_taken_for_the_only_one() -> None:
    """A body that was written anew for its temperature says `model` twice; so does the next, which is passed as it came."""
    target = Target(protocol="openai", model="up", traits=Traits(drop=("temperature",)))
    once = jsontext.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 200}], "stop": ["s" * 90], "n": 1})
    twice = once.replace(b',"n"', b',"model":"m","n"')
    hot = twice.replace(b',"stop"', b',"temperature":1,"stop"')
    conversations = Conversations(MANY)
    for body in (once, hot, twice):
        alone = sent(body, "openai", target, None, None)
        assert sent(body, "openai", target, None, conversations) == alone


# ---------------------------------------------------------------------------------------------------------------------
# What is remembered


def turn(steps: int, **more: Any) -> dict[str, Any]:
    """A Claude client's request after so many calls."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "list them"}]
    for n in range(steps):
        call = {"type": "tool_use", "id": f"toolu_{n}", "name": "Read", "input": {"path": f"/{n}"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": f"file {n}"}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    tools = [{"name": "Read", "description": "reads", "input_schema": {"type": "object", "properties": {}}}]
    return {"model": "m", "max_tokens": 9, "system": "Be brief.", "messages": messages, "tools": tools, **more}


class Reading:
    """How many messages of each request the client's reader is handed, with whatever it reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages = 0
        chat = PROTOCOLS["claude"].chat

        def read(document: dict[str, Any], context: Context, call: Call) -> Request:
            self.messages += len(document["messages"])
            return chat.read_request(document, context, call)

        claude = evolve(PROTOCOLS["claude"], chat=evolve(chat, read_request=read))
        monkeypatch.setattr(convert, "protocol_named", lambda name: claude if name == "claude" else PROTOCOLS[name])

    def of(self, document: dict[str, Any], conversations: Conversations, **more: Any) -> int:
        self.messages = 0
        asked = {"source": "claude", "target": "openai", **more}
        body = convert_request(document, known=conversations, **asked).body
        read = self.messages
        assert body == convert_request(document, **asked).body
        return read


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def test_only_what_is_new_is_read(reading: Reading) -> None:
    conversations = Conversations(MANY)
    assert reading.of(turn(9), conversations) == 1 + 1 + 18  # for the tools, the beginning, and the steps
    assert reading.of(turn(10), conversations) == 2
    assert reading.of(turn(10), conversations) == 0
    assert reading.of(turn(13), conversations) == 6


def test_other_tools_are_read_without_the_turns(reading: Reading) -> None:
    conversations = Conversations(MANY)
    reading.of(turn(9), conversations)
    assert reading.of(turn(9, tools=[]), conversations) == 1
    assert reading.of(turn(9), conversations) == 0


def test_another_beginning_is_read_without_the_turns(reading: Reading) -> None:
    conversations = Conversations(MANY)
    reading.of(turn(9), conversations)
    assert reading.of(turn(9, system="Be long."), conversations) == 1


def test_marks_that_move_touch_the_last_turns_only(reading: Reading) -> None:
    conversations = Conversations(MANY)

    def marked(steps: int) -> dict[str, Any]:
        document = turn(steps)
        for message in document["messages"][-1:-4:-2]:
            message["content"][-1] |= MARK
        return document

    reading.of(marked(9), conversations)
    assert reading.of(marked(10), conversations) == 6


def test_a_turn_that_was_changed_is_read_with_what_follows(reading: Reading) -> None:
    conversations = Conversations(MANY)
    for number in range(3, 9):
        reading.of(turn(number), conversations)
    other = turn(9)
    other["messages"][10]["content"][0]["content"] = "another file"
    assert reading.of(other, conversations) == 2 * (9 - 4)


def test_what_goes_on_with_the_last_turn_is_read_with_it(reading: Reading) -> None:
    conversations = Conversations(MANY)
    reading.of(turn(9), conversations)
    more = turn(9)
    more["messages"].append({"role": "user", "content": "and then?"})
    assert reading.of(more, conversations) == 2 * 2 + 1


def test_an_id_that_comes_again_is_no_piece(reading: Reading) -> None:
    conversations = Conversations(MANY)
    reading.of(turn(9), conversations)
    again = turn(10)
    for message in again["messages"][-2:]:
        block = message["content"][0]
        block |= {key: "toolu_0" for key in ("id", "tool_use_id") if key in block}
    assert reading.of(again, conversations) >= 20


def test_what_could_not_be_written_in_pieces_is_not_tried_again_while_it_grows(reading: Reading) -> None:
    conversations = Conversations(MANY)

    def tangled(steps: int) -> dict[str, Any]:
        document = turn(steps)
        document["messages"][2]["content"].append({"type": "tool_result", "tool_use_id": "of whom?", "content": "orphan"})
        return document

    assert reading.of(tangled(9), conversations) > 19
    assert reading.of(tangled(10), conversations) == 21
    assert reading.of(tangled(12), conversations) == 25
    assert reading.of(turn(8), conversations) == 16 + 1
    assert reading.of(turn(9), conversations) == 2


def test_one_is_not_true(reading: Reading) -> None:
    conversations = Conversations(MANY)
    for value in (1, True, 1.0, {"a": 1, "b": 2}, {"b": 2, "a": 1}):
        document = turn(9)
        document["messages"][1]["content"][0]["input"] = {"value": value}
        assert reading.of(document, conversations) > 18


def test_another_target_remembers_its_own(reading: Reading) -> None:
    conversations = Conversations(MANY)
    reading.of(turn(9), conversations, model="m")
    assert reading.of(turn(9), conversations, model="mistral-large-latest") == 20
    assert reading.of(turn(9), conversations, model="m") == 0


def test_what_the_standard_library_has_to_write_is_no_piece(reading: Reading) -> None:
    conversations = Conversations(MANY)
    document = turn(9)
    document["messages"][2]["content"][0]["content"] = "cut \ud83d"
    assert reading.of(document, conversations) > 18


def test_of_a_short_conversation_the_tools_are_remembered(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnwise, "LONG", 100)
    conversations = Conversations(MANY)
    assert reading.of(turn(9), conversations) == 1 + 19
    assert reading.of(turn(10), conversations) == 21
    assert reading.of(turn(0), conversations) == 1
    assert not conversations._conversations


def test_a_small_request_is_not_remembered(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_LARGE", 1 << 20)
    conversations = Conversations(MANY)
    assert reading.of(turn(9), conversations) == reading.of(turn(9), conversations) == 19
    assert conversations.size == 0


def test_no_more_is_kept_than_was_asked_for() -> None:
    conversations = Conversations(20_000)
    for n in range(40):
        document = turn(9, system=f"{n}" * 100)
        document["messages"][1]["content"][0]["input"] = {"path": f"{n}" * 400}
        convert_request(document, source="claude", target="openai", known=conversations)
        assert 0 < conversations.size <= 20_000


def test_nothing_is_kept_of_what_is_too_large() -> None:
    conversations = Conversations(500)
    convert_request(turn(9), source="claude", target="openai", known=conversations)
    assert conversations.size == 0


def test_what_is_known_only_by_its_first_step_is_counted() -> None:
    """Nothing of these is a piece: the call has no result."""
    conversations = Conversations(20_000)
    for n in range(9):
        document = turn(1)
        document["messages"][1]["content"][0]["input"] = {"path": f"{n}" * 3000}
        del document["messages"][2]["content"][0]
        document["messages"][2]["content"] = "stop"
        convert_request(document, source="claude", target="openai", known=conversations)
        assert 3000 < conversations.size <= 10_000


def test_settings_are_counted() -> None:
    conversations = Conversations(100_000)
    for n in range(20):
        tools = [{"name": f"t{n}", "description": "d" * 1000, "input_schema": {"type": "object"}}]
        convert_request(turn(20, tools=tools), source="claude", target="openai", known=conversations)
        assert 1000 < conversations.size <= 50_000
    assert conversations.size > 2 * turnwise.MOST_SETTINGS * 1000


def test_a_turn_more_takes_no_more_than_itself() -> None:
    """Whatever its calls are called: what each turn remembers is of itself, not of all that went before."""
    conversations = Conversations(MANY)
    for count in range(1, 40):
        document = turn(count)
        for message in document["messages"][1:]:
            block = message["content"][0]
            block |= {key: block[key] + "i" * 60 for key in ("id", "tool_use_id") if key in block}
        converted = convert_request(document, source="claude", target="openai", known=conversations)
        assert len(converted.context.tool_ids) == count
    (conversation,) = conversations._conversations.values()
    assert len(conversation.runs) > 30
    assert sum(len(run.told.ids) for run in conversation.runs) <= 39
    assert sum(len(run.told.notes) for run in conversation.runs) <= len(converted.notes)


@pytest.mark.parametrize("client", ["gemini", "ollama"])
def test_where_the_reader_of_ids_was_is_known_of_the_last_turns(client: str) -> None:
    target = known(Target(protocol="openai", model="m"))
    conversations = Conversations(MANY)
    whole = turn_without_ids(client, 12)
    lengths = [*range(3, 25, 2), 23, 21, 5, 25, 7]
    for length in lengths:
        document = {**whole, PROTOCOLS[client].chat.conversation[0]: history_of(whole, client)[:length]}
        assert prepared(document, client, target, None, conversations) == prepared(document, client, target, None, None)
        (conversation,) = conversations._conversations.values()
        assert sum(run.pairs is not None for run in conversation.runs) <= kept.PAIRED


def turn_without_ids(client: str, steps: int) -> dict[str, Any]:
    if client == "gemini":
        said: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "go"}]}]
        for n in range(steps):
            said.append({"role": "model", "parts": [{"functionCall": {"name": "read", "args": {"n": n}}}]})
            result = {"name": "read", "response": {"output": f"r {n}"}}
            said.append({"role": "user", "parts": [{"functionResponse": result}]})
        return {"contents": said}
    said = [{"role": "user", "content": "go"}]
    for n in range(steps):
        said.append({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "read", "arguments": {}}}]})
        said.append({"role": "tool", "tool_name": "read", "content": f"r {n}"})
    return {"model": "m", "messages": said}
