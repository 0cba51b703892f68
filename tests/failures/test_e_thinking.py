"""Field failures, section E: thinking, reasoning and signatures, that must come back to their maker and to nobody else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ccproxy import convert_request
from ccproxy.conversion import prepare, pump_for
from ccproxy.model import Context, Target, Traits
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.failures.wire import (
    DONE,
    Doc,
    answered,
    asked,
    blocks,
    context_for,
    deltas,
    named,
    sse,
    streamed,
)

SKIP = "skip_thought_signature_validator"
GEMINI_3 = "gemini-3-flash-preview"
GEMINI_25 = "gemini-2.5-flash"
GEMINI_SIGNATURE = base64.b64encode(b"made by gemini").decode()
CLAUDE_SIGNATURE = "EqQBClaudesOwn+signature=="
ENCRYPTED = "gAAAAABpOpenAIsOwn"
FUNCTION = {"name": "look", "description": "", "parameters": {"type": "object", "properties": {}}}


def prepared(source: str, body: Doc | bytes, target: Target) -> Any:
    """The request for a target of which more is known than its name."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    document = json.loads(raw)
    context = Context(client=source, upstream=target.protocol, model=document["model"], id="0" * 24)
    return prepare(raw, document, PROTOCOLS[source], PROTOCOLS[target.protocol], target, context, Call())


def contents(document: Doc, role: str = "model") -> list[Doc]:
    """The parts of all contents of a role, in one list."""
    return [part for content in document["contents"] if content["role"] == role for part in content["parts"]]


# -- the answers that the histories below come from

GEMINI_CALL = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"functionCall": {"name": "look", "args": {"at": 1}}, "thoughtSignature": GEMINI_SIGNATURE}],
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
}


def claude_events(*content: Doc, stop: str = "end_turn") -> bytes:
    """A Claude stream of whole blocks; a thinking block's signature comes as its delta."""
    usage = {"input_tokens": 3, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": usage}
    events: list[Doc] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(content):
        start, pieces = dict(block), []
        if block["type"] == "thinking":
            start |= {"thinking": "", "signature": ""}
            pieces = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        elif block["type"] == "text":
            start["text"] = ""
            pieces = [{"type": "text_delta", "text": block["text"]}]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage})
    return named(*events, {"type": "message_stop"})


# -- signatures of others


def test_f104_foreign_encrypted_reasoning_does_not_reach_gemini() -> None:
    """A Responses history with reasoning that OpenAI or Claude proved: neither proof goes to Gemini; the call gets the mark
    that stands in for a signature, and nothing but a call does."""
    items: list[Doc] = [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ENCRYPTED},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "ccproxy.claude." + CLAUDE_SIGNATURE},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "seen"},
    ]
    document = asked("responses", "gemini", {"model": "m", "input": items}, GEMINI_3)
    said = json.dumps(document)
    assert ENCRYPTED not in said
    assert CLAUDE_SIGNATURE not in said
    text, call = contents(document)
    assert text == {"text": "I look."}
    assert call["thoughtSignature"] == SKIP


def counted(body: Doc) -> Doc:
    """A request for Gemini's countTokens, as Gemini gets it."""
    counting = PROTOCOLS["gemini"].count
    assert counting is not None
    context = Context(client="gemini", upstream="gemini", model=GEMINI_3)
    request = counting.read_request(body, context, Call(model=GEMINI_3, stream=False))
    return counting.write_request(request, Target(protocol="gemini", model=GEMINI_3), context)


def test_f106_a_signature_that_claude_made_is_taken_out_on_the_way_to_gemini_too() -> None:
    """A Gemini client that was served by Claude sends Claude's proof back as its own; on the same protocol it must not
    pass, though everything else does."""
    answer = answered(
        "gemini",
        "claude",
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "c",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": CLAUDE_SIGNATURE},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    )
    turn = answer["candidates"][0]["content"]
    signed = [part["thoughtSignature"] for part in turn["parts"] if "thoughtSignature" in part]
    assert len(signed) == 1
    result = {"functionResponse": {"name": "look", "id": "toolu_1", "response": {"output": "seen"}}}
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, turn, {"role": "user", "parts": [result]}]}
    document = asked("gemini", "gemini", body, GEMINI_3)
    assert signed[0] not in json.dumps(document)
    call = next(part for part in contents(document) if "functionCall" in part)
    assert (call["functionCall"]["args"], call["thoughtSignature"]) == ({"at": 1}, SKIP)
    assert signed[0] not in json.dumps(counted(body))
    assert signed[0] not in json.dumps(counted({"generateContentRequest": body}))
    own = json.loads(json.dumps(body).replace(signed[0], GEMINI_SIGNATURE))
    assert asked("gemini", "gemini", own, GEMINI_3) == own  # Gemini's own passes


def test_f107_a_whole_answer_keeps_geminis_signature_for_claude_clients() -> None:
    """Without streaming, the signature of a Gemini call stands in a thinking block and goes back up on that call."""
    answer = answered("claude", "gemini", GEMINI_CALL)
    thinking, call = answer["content"]
    assert (thinking["type"], call["type"]) == ("thinking", "tool_use")
    assert GEMINI_SIGNATURE in thinking["signature"]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "seen"}
    body = {
        "model": "m",
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [result]},
        ],
    }
    assert contents(asked("claude", "gemini", body, GEMINI_3)) == [
        {"functionCall": {"name": "look", "args": {"at": 1}}, "thoughtSignature": GEMINI_SIGNATURE}
    ]


@pytest.mark.parametrize("origin", ["gemini", "claude"])
def test_f115_encrypted_reasoning_of_another_maker_does_not_reach_openai(origin: str) -> None:
    """What a Responses client holds of Gemini's or Claude's reasoning is left out for OpenAI; OpenAI's own passes, bytes
    and all, and never reaches Claude."""
    own = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ENCRYPTED}
    foreign = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": f"ccproxy.{origin}.secret"}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]}
    items = [{"role": "user", "content": "hi"}, own, said, {"role": "user", "content": "on"}, foreign, said]
    document = asked("responses", "responses", {"model": "m", "input": items})
    assert "secret" not in json.dumps(document)
    assert document["input"][1] == own
    elsewhere = asked("responses", "claude", {"model": "m", "input": items}, "claude-sonnet-4-5")
    assert ENCRYPTED not in json.dumps(elsewhere)
    assert ("secret" in json.dumps(elsewhere)) == (origin == "claude")


# -- reasoning in answers


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("client", ["claude", "responses"])
def test_f108_both_names_of_the_reasoning_member_are_read(client: str, member: str) -> None:
    """vLLM and OpenRouter call it `reasoning`, DeepSeek `reasoning_content`: a stream and a whole answer of either show the
    thought, once."""
    pieces = [{member: "Let me "}, {member: "think."}, {"content": "42"}]
    chunks = [{"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    events = streamed(client, "openai", sse(*chunks, end) + DONE)
    message = {"role": "assistant", "content": "42", member: "Let me think."}
    whole = answered(client, "openai", {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    if client == "claude":
        for thought, text in (blocks(events), whole["content"]):
            assert (thought["type"], thought["thinking"]) == ("thinking", "Let me think.")
            assert (text["type"], text["text"]) == ("text", "42")
    else:
        for output in (events[-1]["response"]["output"], whole["output"]):
            assert [part["text"] for part in output[0]["summary"]] == ["Let me think."]
            assert output[1]["content"][0]["text"] == "42"


@pytest.mark.parametrize("target", ["openai", "responses", "claude", "ollama"])
def test_f110_hidden_thoughts_of_a_gemini_history_never_become_visible(target: str) -> None:
    """Parts marked as thoughts are left out, or stand where the target keeps thoughts."""
    turn = {"role": "model", "parts": [{"text": "SECRET plan", "thought": True}, {"text": "Hello."}]}
    user = {"role": "user", "parts": [{"text": "hi"}]}
    document = asked("gemini", target, {"contents": [user, turn, user]})
    said = json.dumps(document)
    assert "Hello." in said
    if target == "ollama":
        assert document["messages"][1] == {"role": "assistant", "content": "Hello.", "thinking": "SECRET plan"}
    else:
        assert "SECRET" not in said


def claude_history(thought: Doc) -> Doc:
    """A Claude client's request whose model thought and then called."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
    return {
        "model": "m",
        "max_tokens": 10,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [thought, call]},
            {"role": "user", "content": [result]},
        ],
    }


THOUGHT = {"type": "thinking", "thinking": "I should look.", "signature": "ccproxy.openai."}
WANTS_THOUGHTS = Target(protocol="openai", model="kimi-k2-thinking", traits=Traits(thoughts="reasoning_content"))


@pytest.mark.parametrize(
    ("target", "replayed"),
    [
        pytest.param(WANTS_THOUGHTS, "I should look.", id="F111-wanted"),
        pytest.param(Target(protocol="openai", model="gpt-5"), None, id="F111-not-wanted"),
    ],
)
def test_f111_earlier_thoughts_go_where_the_vendor_wants_them(target: Target, replayed: str | None) -> None:
    """Thinking blocks of the history are `reasoning_content` for a target that is known to want it, and nothing at all for
    others: never visible text."""
    message = json.loads(prepared("claude", claude_history(THOUGHT), target).body)["messages"][1]
    assert message.get("reasoning_content") == replayed
    assert not message.get("content")


def test_f122_a_call_keeps_its_thought_beside_it() -> None:
    """DeepSeek and Kimi refuse an assistant message with calls but without the thought that led to them: both stand in one
    message."""
    document = json.loads(prepared("claude", claude_history(THOUGHT), WANTS_THOUGHTS).body)
    message = document["messages"][1]
    assert message["reasoning_content"] == "I should look."
    assert [call["id"] for call in message["tool_calls"]] == ["toolu_1"]
    assert document["messages"][2]["role"] == "tool"


def test_f112_several_summary_parts_are_one_thinking_block() -> None:
    """One reasoning item with three summary parts is one block, signed with what its `output_item.done` says at last."""
    item = {"id": "rs_1", "type": "reasoning", "summary": []}
    parts = [{"type": "summary_text", "text": text} for text in ("One.", "Two.", "Three.")]
    events: list[Doc] = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "model": "o", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "encrypted_content": "early"}},
    ]
    for number, part in enumerate(parts):
        where = {"item_id": "rs_1", "output_index": 0, "summary_index": number}
        events += [
            {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}},
            {"type": "response.reasoning_summary_text.delta", **where, "delta": part["text"]},
            {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]},
            {"type": "response.reasoning_summary_part.done", **where, "part": part},
        ]
    done = {**item, "summary": parts, "encrypted_content": ENCRYPTED}
    events += [
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [done]}},
    ]
    content = blocks(streamed("claude", "responses", named(*events)))
    thoughts = [block for block in content if block["type"] == "thinking"]
    assert [block["thinking"] for block in thoughts] == ["One.\n\nTwo.\n\nThree."]
    assert thoughts[0]["signature"].endswith(ENCRYPTED)
    assert "early" not in thoughts[0]["signature"]


# -- toward Gemini


def test_f114_reasoning_content_becomes_a_thought_part_and_empty_messages_none() -> None:
    """No content without parts and no part with empty text, which Gemini answers with 400."""
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": "Hello.", "reasoning_content": "Greet them."},
        {"role": "user", "content": "bye"},
    ]
    document = asked("openai", "gemini", {"model": "m", "messages": messages}, GEMINI_25)
    assert contents(document) == [{"text": "Greet them.", "thought": True}, {"text": "Hello."}]
    assert all(content["parts"] for content in document["contents"])


@pytest.mark.parametrize(
    ("config", "effort"),
    [
        ({"thinking_config": {"thinking_level": "high", "include_thoughts": True}}, "high"),
        ({"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}, "high"),
        ({"thinking_config": {"thinking_budget": 1024, "include_thoughts": True}}, "low"),
        ({"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}, "low"),
    ],
)
def test_f116_snake_case_thinking_settings_are_understood(config: Doc, effort: str) -> None:
    """Python's SDK may say level, budget and include_thoughts in snake_case; they mean the same."""
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": config}
    reasoning = asked("gemini", "responses", body)["reasoning"]
    assert reasoning == {"effort": effort, "summary": "auto"}
    assert asked("gemini", "gemini", body) == body


def test_f118_reasoning_deltas_are_a_thinking_block_that_closes_before_what_follows() -> None:
    """Thoughts, then text, then a call: three blocks, one open at a time."""
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    pieces: list[Doc] = [{"reasoning_content": "Hm."}, {"content": "I look."}, {"tool_calls": [call]}]
    chunks = [{"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    content = blocks(streamed("claude", "openai", sse(*chunks, end) + DONE))  # which asserts the order
    assert [block["type"] for block in content] == ["thinking", "text", "tool_use"]
    assert content[0]["thinking"] == "Hm."


def openai_replay(*calls: Doc) -> Doc:
    """A second request of an OpenAI client: the calls that it got, and their results."""
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "seen"} for call in calls]
    turn = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}, turn, *results],
        "tools": [{"type": "function", "function": FUNCTION}],
    }


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "lost"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_f119_geminis_signature_goes_through_an_openai_client_and_back(stream: bool, kept: bool) -> None:
    """Streamed or not, the call carries the signature in `extra_content`; the client that replays it has it restored, and
    the one that drops it gets the documented mark."""
    if stream:
        [first] = [
            d for d in deltas(streamed("openai", "gemini", sse(GEMINI_CALL))) if "id" in (d.get("tool_calls") or [{}])[0]
        ]
        call = dict(first["tool_calls"][0])
        del call["index"]
        call["function"]["arguments"] = '{"at":1}'
    else:
        call = answered("openai", "gemini", GEMINI_CALL)["choices"][0]["message"]["tool_calls"][0]
    assert GEMINI_SIGNATURE in json.dumps(call["extra_content"])
    if not kept:
        del call["extra_content"]
    [part] = contents(asked("openai", "gemini", openai_replay(call), GEMINI_3))
    assert part["functionCall"] == {"name": "look", "args": {"at": 1}}
    assert part["thoughtSignature"] == (GEMINI_SIGNATURE if kept else SKIP)


def test_f123_the_signature_comes_behind_the_thinking_and_inside_its_block() -> None:
    """thinking deltas, then one signature delta, then the block's stop; the same of Claude's own and of Gemini's."""
    gemini = [
        {"candidates": [{"index": 0, "content": {"parts": [part], "role": "model"}}]}
        for part in (
            {"text": "Hm", "thought": True},
            {"text": ", well.", "thought": True, "thoughtSignature": GEMINI_SIGNATURE},
            {"text": "42"},
        )
    ]
    end = {"candidates": [{"index": 0, "finishReason": "STOP"}]}
    claude = claude_events(
        {"type": "thinking", "thinking": "Hm, well.", "signature": CLAUDE_SIGNATURE}, {"type": "text", "text": "42"}
    )
    for upstream, data in (("gemini", sse(*gemini, end)), ("claude", claude)):
        events = streamed("claude", upstream, data)
        said = [event.get("delta", {}).get("type") or event["type"] for event in events if event.get("index") == 0]
        assert said[0] == "content_block_start"
        assert said[-2:] == ["signature_delta", "content_block_stop"]
        assert set(said[1:-2]) == {"thinking_delta"}
        assert said.count("signature_delta") == 1


@pytest.mark.parametrize("upstream", list(PROTOCOLS))
def test_f124_a_model_that_cannot_think_is_not_asked_to(upstream: str) -> None:
    """Claude Code asks every model to think. Where the config says what the model can do, and thinking is not in it, the
    request goes up without, on its own protocol too."""
    body = claude_history(THOUGHT)
    del body["messages"][1:]
    able = Target(protocol=upstream, model="m", abilities=frozenset({"tools", "thinking"}))
    unable = Target(protocol=upstream, model="m", abilities=frozenset({"tools"}))
    settings = {"thinking", "reasoning_effort", "reasoning", "think", "output_config"}

    def thinks(target: Target) -> bool:
        document = json.loads(prepared("claude", body | {"max_tokens": 4096}, target).body)
        return bool(settings & document.keys()) or "thinkingConfig" in document.get("generationConfig", {})

    assert thinks(able)
    assert not thinks(unable)
    silent = json.dumps({key: value for key, value in body.items() if key != "thinking"}, indent=1).encode()
    assert (prepared("claude", silent, unable).body == silent) == (upstream == "claude")  # nothing to leave out: relayed


def test_f126_the_signature_stands_beside_the_function_call() -> None:
    """Read from the part and written to the part; in the call it would be an unknown field, and lost."""
    call = answered("openai", "gemini", GEMINI_CALL)["choices"][0]["message"]["tool_calls"][0]
    [part] = contents(asked("openai", "gemini", openai_replay(call), GEMINI_3))
    assert part["thoughtSignature"] == GEMINI_SIGNATURE
    assert "signature" not in json.dumps(part["functionCall"]).lower()


@pytest.mark.parametrize("model", ["gemini-2.0-flash", GEMINI_25, "gemini-2.5-pro"])
def test_f127_older_models_get_no_made_up_signature(model: str) -> None:
    """The mark is for Gemini 3 and later; others refuse it. A real signature is kept."""
    plain = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    assert SKIP not in json.dumps(asked("openai", "gemini", openai_replay(plain), model))
    real = answered("openai", "gemini", GEMINI_CALL)["choices"][0]["message"]["tool_calls"][0]
    [part] = contents(asked("openai", "gemini", openai_replay(real), model))
    assert part["thoughtSignature"] == GEMINI_SIGNATURE


INTERLEAVED: tuple[Doc, ...] = (
    {"type": "thinking", "thinking": "First.", "signature": "sig1"},
    {"type": "text", "text": "A"},
    {"type": "thinking", "thinking": "Second.", "signature": "sig2"},
    {"type": "text", "text": "B"},
)


def test_f128_interleaved_thinking_keeps_its_order() -> None:
    """thought, text, thought, text: the pieces of a stream come in that order; gathered into a whole answer, OpenAI's two
    texts are not mixed, and a protocol with ordered parts keeps all four in place."""
    data = claude_events(*INTERLEAVED)
    pieces = [(key, delta[key]) for delta in deltas(streamed("openai", "claude", data)) for key in delta if key != "role"]
    thoughts = "reasoning_content"
    assert pieces == [(thoughts, "First."), ("content", "A"), (thoughts, "Second."), ("content", "B")]

    def gathered(client: str) -> Any:
        context = context_for(client, "claude")
        pump = pump_for(PROTOCOLS[client], PROTOCOLS["claude"], context, relayed=False, streams=True)
        return json.loads(pump.feed(data) + pump.eof())

    message = gathered("openai")["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("First.Second.", "AB")
    parts = gathered("gemini")["candidates"][0]["content"]["parts"]
    assert [(part["text"], part.get("thought", False)) for part in parts] == [
        ("First.", True),
        ("A", False),
        ("Second.", True),
        ("B", False),
    ]


# -- same protocol

ODD_THINKING = rb'{"type":"thinking","thinking":"  caf\u00e9 \ud83d\ude00\n\ttrailing  ","signature":"Eq+/a=="}'


def claude_body(*blocks_: bytes) -> bytes:
    """A Claude request in bytes with spelling of its own, which a parser and writer would not keep."""
    return (
        b'{ "model":"alias" , "max_tokens": 10,"messages":[{"role":"user","content":"hi"},'
        b'{"role":"assistant","content":[' + b",".join(blocks_) + b',{"type":"text","text":"ok"}]},'
        b'{"role":"user","content":"on"}]}'
    )


def test_f120_replayed_thinking_blocks_keep_every_member() -> None:
    """A request that has to be rewritten, for a provider's default, holds the very thinking and redacted blocks that came,
    in their order, with fields that nobody knows."""
    blocks_ = [
        {"type": "thinking", "thinking": " a\n", "signature": "s1", "from": "somewhere"},
        {"type": "redacted_thinking", "data": "r1"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"b": 1, "a": 2}},
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": blocks_},
            {"role": "user", "content": [result]},
        ],
    }
    target = Target(protocol="claude", model="m", defaults={"max_tokens": 77})
    document = json.loads(prepared("claude", body, target).body)
    assert document["max_tokens"] == 77
    assert document["messages"][1]["content"] == blocks_
    assert json.dumps(document["messages"][1]["content"][3]["input"]) == '{"b": 1, "a": 2}'


def test_f130_thinking_passes_byte_for_byte() -> None:
    """Nothing to change: the body's bytes pass. Another model: only its name's bytes change. A default to add: the text and
    signature are the same strings, escapes and white space read as they are meant."""
    body = claude_body(ODD_THINKING)
    assert convert_request(body, source="claude", target="claude").body == body
    renamed = convert_request(body, source="claude", target="claude", model="claude-x").body
    assert renamed == body.replace(b'"alias"', b'"claude-x"')
    target = Target(protocol="claude", model="m", defaults={"temperature": 0.5})
    rewritten = json.loads(prepared("claude", body, target).body)
    assert rewritten["messages"][1]["content"][0] == json.loads(ODD_THINKING)


def test_f130_each_thought_keeps_its_own_signature() -> None:
    """No constant stands in for the signatures of a stream's thoughts."""
    content = blocks(streamed("claude", "claude", claude_events(*INTERLEAVED)))
    assert [block["signature"] for block in content if block["type"] == "thinking"] == ["sig1", "sig2"]


def test_f139_reasoning_content_passes_on_its_own_protocol() -> None:
    """A member of an assistant message that OpenAI does not know: it passes in the client's bytes, and when the request is
    written again."""
    turn = {"role": "assistant", "content": "ok", "reasoning_content": "Hm.", "prefix": True}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}, turn, {"role": "user", "content": "on"}]}
    raw = json.dumps(body).encode()
    assert convert_request(raw, source="openai", target="openai").body == raw
    target = Target(protocol="openai", model="m", defaults={"temperature": 0.5})
    assert json.loads(prepared("openai", body, target).body) == body | {"temperature": 0.5}


def test_f140_an_openai_answer_gets_no_reasoning_members_of_ours() -> None:
    """What the upstream did not say is not there for the client: no reasoning, no details, not even as null; what it said
    comes under the one name that it used or that most clients know, not under several."""
    message: Doc = {"role": "assistant", "content": "42"}
    plain = answered("openai", "openai", {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert set(plain["choices"][0]["message"]) <= {"role", "content", "refusal"}
    chunks = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}]}]
    for upstream, data in (("openai", sse(*chunks) + DONE), ("claude", claude_events({"type": "text", "text": "42"}))):
        assert all("reasoning" not in key for delta in deltas(streamed("openai", upstream, data)) for key in delta)
    thought = claude_events({"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "42"})
    members = {key for delta in deltas(streamed("openai", "claude", thought)) for key in delta}
    assert members == {"role", "reasoning_content", "content"}


# -- histories for Gemini 3


def calls_of(number: int, *extra: Doc) -> list[Doc]:
    return [
        {"id": f"c{number}_{i}", "type": "function", "function": {"name": "look", "arguments": "{}"}, **one}
        for i, one in enumerate(extra or ({},))
    ]


def test_f132_the_first_call_of_each_step_is_marked_and_no_other() -> None:
    """Two steps, the first with two parallel calls: the mark stands on the first call of each."""
    history: list[Doc] = [{"role": "user", "content": "hi"}]
    for step, calls in enumerate((calls_of(1, {}, {}), calls_of(2))):
        history.append({"role": "assistant", "content": f"step {step}", "tool_calls": calls})
        history += [{"role": "tool", "tool_call_id": call["id"], "content": "seen"} for call in calls]
    document = asked("openai", "gemini", {"model": "m", "messages": history}, GEMINI_3)
    calls = [part for part in contents(document) if "functionCall" in part]
    assert [part.get("thoughtSignature") for part in calls] == [SKIP, None, SKIP]
    assert not any("thoughtSignature" in part for part in contents(document) if "functionCall" not in part)


def test_f138_every_step_of_a_long_history_is_mended() -> None:
    """Thirty turns, whichever of them lacks its signature: all are there."""
    history: list[Doc] = []
    for turn in range(30):
        history.append({"role": "user", "content": "again"})
        history.append({"role": "assistant", "content": None, "tool_calls": calls_of(turn)})
        history.append({"role": "tool", "tool_call_id": f"c{turn}_0", "content": "seen"})
        history.append({"role": "assistant", "content": "done"})
    history.append({"role": "user", "content": "last"})
    document = asked("openai", "gemini", {"model": "m", "messages": history}, "gemini-3-flash-preview")
    calls = [part for part in contents(document) if "functionCall" in part]
    assert [part.get("thoughtSignature") for part in calls] == [SKIP] * 30


@pytest.mark.parametrize("thought", [True, False], ids=["thought", "text"])
def test_f134_a_signature_on_an_empty_part_is_kept(thought: bool) -> None:
    """The last part of an answer is an empty text with the signature: a Claude client gets it and Gemini gets it back."""
    last = {"text": "", "thoughtSignature": GEMINI_SIGNATURE} | ({"thought": True} if thought else {})
    first = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "42"}]}}]}
    end = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [last]}, "finishReason": "STOP"}]}
    content = blocks(streamed("claude", "gemini", sse(first, end)))
    assert [block["signature"] for block in content if block["type"] == "thinking"] == [
        f"ccproxy.gemini.{GEMINI_SIGNATURE}"
    ]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "on"},
    ]
    document = asked("claude", "gemini", {"model": "m", "max_tokens": 10, "messages": messages}, GEMINI_3)
    assert contents(document) == [{"text": "42"}, {"text": "", "thoughtSignature": GEMINI_SIGNATURE}]


@pytest.mark.parametrize(
    "value",
    ["Hm.", {"text": "Hm."}, {"content": "Hm."}, [{"type": "text", "text": "Hm."}], {"summary": [{"text": "Hm."}]}],
)
def test_f135_reasoning_content_may_be_an_object(value: Any) -> None:
    """Text, an object with text in it or a list of these: the thought is the same, streamed and whole."""
    delta = {"choices": [{"index": 0, "delta": {"reasoning_content": value}, "finish_reason": None}]}
    end = {"choices": [{"index": 0, "delta": {"content": "42"}, "finish_reason": "stop"}]}
    assert [b.get("thinking") for b in blocks(streamed("claude", "openai", sse(delta, end) + DONE))] == ["Hm.", None]
    message = {"role": "assistant", "content": "42", "reasoning_content": value}
    whole = answered("claude", "openai", {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert whole["content"][0]["thinking"] == "Hm."


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_f136_json_mode_with_thinking_forces_no_tool(kind: str) -> None:
    """Claude takes no forced tool with thinking on; the format is the API's own, or words in the system prompt."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    format: Doc = {"type": kind} | ({"json_schema": {"name": "x", "schema": schema}} if kind == "json_schema" else {})
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "response_format": format,
        "reasoning_effort": "high",
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": "required",
    }
    document = asked("openai", "claude", body, "claude-sonnet-4-5")
    assert document["thinking"]["type"] == "enabled"
    assert document.get("tool_choice", {"type": "auto"})["type"] == "auto"
    assert [tool["name"] for tool in document["tools"]] == ["look"]  # none was made up for the format
    if kind == "json_schema":
        assert document["output_config"]["format"]["schema"]["properties"] == schema["properties"]
    else:
        assert "JSON" in json.dumps(document["system"])


# -- one value for how hard to think

ADAPTIVE: Doc = {"thinking": {"type": "adaptive"}}
BUDGET: Doc = {"thinking": {"type": "enabled", "budget_tokens": 20000}}
SAID = [
    pytest.param({**ADAPTIVE, "output_config": {"effort": "low"}}, "low", 1024, id="adaptive-low"),
    pytest.param({**ADAPTIVE, "output_config": {"effort": "max"}}, "max", 24576, id="adaptive-max"),
    pytest.param(BUDGET, "high", 20000, id="budget"),
    pytest.param({**BUDGET, "output_config": {"effort": "low"}}, "low", 20000, id="both"),
]


@pytest.mark.parametrize(("settings", "effort", "budget"), SAID)
def test_f142_adaptive_thinking_and_budgets_are_one_value(settings: Doc, effort: str, budget: int) -> None:
    """Claude's adaptive thinking with an effort, its older budget, and both at once, in the words of each target; what a
    target takes as a level or as a number of tokens is said as that."""
    body = {"model": "m", "max_tokens": 32000, "messages": [{"role": "user", "content": "hi"}], **settings}
    assert asked("claude", "openai", body)["reasoning_effort"] == effort
    assert asked("claude", "responses", body)["reasoning"]["effort"] == effort
    gemini = asked("claude", "gemini", body, GEMINI_3)["generationConfig"]["thinkingConfig"]
    assert gemini["thinkingLevel"] == ("LOW" if effort == "low" else "HIGH")
    assert asked("claude", "gemini", body, GEMINI_25)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == budget
    assert asked("claude", "ollama", body, "gpt-oss")["think"] == ("low" if effort == "low" else "high")
    assert asked("claude", "claude", body) == body


def test_f142_the_way_back_is_what_the_model_takes() -> None:
    """An effort is adaptive thinking for a model that takes it and a budget for one that does not; never both."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "high"}
    newer = asked("openai", "claude", body, "claude-opus-4-6")
    assert newer["thinking"]["type"] == "adaptive"
    assert "budget_tokens" not in newer["thinking"]
    assert newer["output_config"]["effort"] == "high"
    older = asked("openai", "claude", body, "claude-sonnet-4-5")
    assert older["thinking"] == {"type": "enabled", "budget_tokens": 24576}
    assert "output_config" not in older
