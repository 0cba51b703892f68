"""The rows of the vendor table: what goes up for each."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ccproxy.conversion import Prepared, prepare
from ccproxy.model import Context, Target
from ccproxy.policy.quirks import LACKS, TAKES, Quirk, Table
from ccproxy.policy.vendors import BUILT_IN, ROWS
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call

HI = {"role": "user", "content": "Hi"}


def target_of(upstream: str, where: str, table: Table = BUILT_IN) -> Target:
    """`provider@host model`, each part but the model may be missing."""
    place, _, model = where.rpartition(" ")
    provider, _, host = place.rpartition("@")
    target = Target(protocol=upstream, model=model, host=host, provider=provider)
    target.traits = table.traits(provider, host, model, PROTOCOLS[upstream].chat.path(target, True, ""))
    return target


def sent(client: str, upstream: str, where: str, document: Any, table: Table = BUILT_IN) -> tuple[Prepared, list[str]]:
    """What goes up, and the notes."""
    context = Context(client=client, upstream=upstream, id="0" * 24, created=1)
    body = json.dumps(document).encode()
    target = target_of(upstream, where, table)
    prepared = prepare(
        body, copy.deepcopy(document), PROTOCOLS[client], PROTOCOLS[upstream], target, context, Call(query={"alt": "sse"})
    )
    return prepared, context.notes


def asked(client: str, upstream: str, where: str, **fields: Any) -> dict[str, Any]:
    """The members that go up for a request with these members."""
    document: dict[str, Any] = {"model": "alias", "max_tokens": 100, "messages": [HI], **fields}
    prepared, _ = sent(client, upstream, where, document)
    written = json.loads(prepared.body)
    return {key: value for key, value in written.items() if key not in ("model", "messages", "input", "instructions")}


# ---------------------------------------------------------------------------------------------------------------------
# Claude's client, chat completions or Responses upstream

OFF: dict[str, Any] = {"thinking": {"type": "disabled"}}
ON: dict[str, Any] = {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 5000}}
MAX: dict[str, Any] = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}
TUNED = {"temperature": 0.5, "top_p": 0.9}
N = {"max_tokens": 100}
M = {"max_tokens": 9000}

CHAT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # (where, what the client says, what goes up)
    ("gpt-4.1", TUNED, N | TUNED),
    ("o3", TUNED, {"max_completion_tokens": 100}),
    ("o4-mini", MAX, {"max_completion_tokens": 100, "reasoning_effort": "high"}),
    ("openai/o3-mini", OFF, {"max_completion_tokens": 100, "reasoning_effort": "low"}),
    ("gpt-5-mini", TUNED | ON, {"max_completion_tokens": 9000, "reasoning_effort": "medium"}),
    ("gpt-5", OFF, {"max_completion_tokens": 100, "reasoning_effort": "minimal"}),
    ("gpt-5-chat-latest", TUNED, {"max_completion_tokens": 100} | TUNED),
    ("gpt-5.1", TUNED | ON, {"max_completion_tokens": 9000, "reasoning_effort": "medium"}),
    ("gpt-5.1", TUNED | OFF, {"max_completion_tokens": 100, "reasoning_effort": "none"} | TUNED),
    ("gpt-5.2", MAX, {"max_completion_tokens": 100, "reasoning_effort": "xhigh"}),
    ("@api.deepseek.com deepseek-v4-pro", ON, M | {"thinking": {"type": "enabled"}, "reasoning_effort": "medium"}),
    ("@api.deepseek.com deepseek-v4-pro", OFF, N | {"thinking": {"type": "disabled"}}),
    ("@api.moonshot.ai kimi-k2.5", TUNED | OFF, N | {"thinking": {"type": "disabled"}}),
    ("@api.moonshot.cn kimi-k2.6", ON, M | {"thinking": {"type": "enabled"}}),
    ("@api.moonshot.ai kimi-k2-thinking", ON, M),
    ("@api.moonshot.ai kimi-k3", MAX, N | {"reasoning_effort": "max"}),
    ("@api.mistral.ai mistral-medium-3-5", ON, M | {"reasoning_effort": "high"}),
    ("@dashscope.aliyuncs.com qwen3-max", ON, M | {"enable_thinking": True, "thinking_budget": 5000}),
    ("@dashscope-intl.aliyuncs.com qwen3-max", OFF, N | {"enable_thinking": False}),
    ("@dashscope.aliyuncs.com qwen3-max", MAX, N | {"enable_thinking": True}),
    ("@api.z.ai glm-4.7", ON, M | {"thinking": {"type": "enabled"}}),
    ("@open.bigmodel.cn glm-4.6", OFF, N | {"thinking": {"type": "disabled"}}),
    ("@api.z.ai glm-5.2", MAX, N | {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
    ("@api.minimax.io MiniMax-M2.1", ON, M | {"reasoning_split": True}),
    ("@api.minimaxi.com MiniMax-M3", OFF, N | {"reasoning_split": True, "thinking": {"type": "disabled"}}),
    ("@integrate.api.nvidia.com z-ai/glm5", ON, M | {"chat_template_kwargs": {"enable_thinking": True}}),
    (
        "@integrate.api.nvidia.com deepseek-ai/deepseek-v3.1",
        OFF,
        N | {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
    ),
    ("@api.groq.com qwen/qwen3-32b", OFF, N | {"reasoning_effort": "none"}),
    ("@api.groq.com qwen/qwen3-32b", ON, M | {"reasoning_effort": "default"}),
    ("@api.groq.com openai/gpt-oss-120b", MAX, N | {"reasoning_effort": "high"}),
    ("@api.groq.com llama-3.3-70b-versatile", ON, M),
    ("@openrouter.ai anthropic/claude-sonnet-4.5", ON, M | {"reasoning": {"enabled": True, "max_tokens": 5000}}),
    ("@openrouter.ai x/y", MAX | {"top_k": 5}, N | {"top_k": 5, "reasoning": {"enabled": True, "effort": "max"}}),
    ("@openrouter.ai x/y", OFF, N | {"reasoning": {"effort": "none"}}),
    ("@api.x.ai grok-4", MAX | {"stop_sequences": ["z"]}, N),
    ("@api.x.ai grok-4-1-fast-non-reasoning", {"stop_sequences": ["z"]}, N | {"stop": ["z"]}),
    ("@api.x.ai grok-3-mini", MAX, N | {"reasoning_effort": "high"}),
    ("@api.x.ai grok-4.3", OFF, N | {"reasoning_effort": "none"}),
    ("@api.x.ai grok-4.5", OFF, N | {"reasoning_effort": "low"}),
    ("@api.cerebras.ai gpt-oss-120b", MAX, N | {"reasoning_effort": "high"}),
    ("my-vllm@127.0.0.1 qwen3", ON | {"top_k": 5}, M | {"top_k": 5, "chat_template_kwargs": {"enable_thinking": True}}),
    ("llama.cpp@127.0.0.1 qwen3", {"top_k": 5}, N | {"top_k": 5}),
    ("@example.com anything", {"top_k": 5} | TUNED, N | TUNED),
]


@pytest.mark.parametrize(("where", "said", "up"), CHAT, ids=[f"{row[0]}-{number}" for number, row in enumerate(CHAT)])
def test_what_goes_up_in_chat_completions(where: str, said: dict[str, Any], up: dict[str, Any]) -> None:
    assert asked("claude", "openai", where, **said) == up


RESPONSES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("gpt-4.1", TUNED, {"max_output_tokens": 100} | TUNED),
    ("gpt-5", TUNED, {"max_output_tokens": 100}),
    ("gpt-5.2", TUNED | OFF, {"max_output_tokens": 100, "reasoning": {"effort": "none"}} | TUNED),
    ("@api.x.ai grok-4", TUNED | OFF, {"max_output_tokens": 100} | TUNED),
]


@pytest.mark.parametrize(("where", "said", "up"), RESPONSES, ids=[row[0] for row in RESPONSES])
def test_what_goes_up_in_responses(where: str, said: dict[str, Any], up: dict[str, Any]) -> None:
    assert asked("claude", "responses", where, **said) == up


@pytest.mark.parametrize(("model", "think"), [("gpt-oss:20b", "high"), ("library/gpt-oss", "high"), ("qwen3", True)])
def test_what_goes_up_to_ollama(model: str, think: Any) -> None:
    assert asked("claude", "ollama", model, **MAX)["think"] == think


def test_rows_about_one_protocols_documents_leave_others_alone() -> None:
    said = {"temperature": 0.5}
    assert asked("openai", "claude", "gpt-5", **said) == {"max_tokens": 100, "temperature": 0.5}


CALLED = [
    HI,
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Look.", "signature": "ccproxy.openai."},
            {"type": "tool_use", "id": "toolu_01", "name": "f", "input": {}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "1"}]},
]
UNTHOUGHT = [HI, {"role": "assistant", "content": CALLED[1]["content"][1:]}, CALLED[2]]
WORDS = [{"type": "reasoning.text", "text": "Look."}]


@pytest.mark.parametrize(
    ("where", "with_thought", "without"),
    [
        ("@api.deepseek.com deepseek-v4-pro", {"reasoning_content": "Look."}, {"reasoning_content": ""}),
        ("@api.moonshot.ai kimi-k2.5", {"reasoning_content": "Look."}, {"reasoning_content": ""}),
        ("@openrouter.ai moonshotai/kimi-k2.5", {"reasoning_content": "Look."}, {"reasoning_content": ""}),
        ("@api.z.ai glm-4.7", {"reasoning_content": "Look."}, {}),
        ("@api.minimax.io MiniMax-M2", {"reasoning_details": WORDS}, {}),
        ("@api.groq.com deepseek-r1-distill-llama-70b", {}, {}),
        ("@api.openai.com gpt-5", {}, {}),
    ],
)
def test_earlier_thoughts_go_where_the_vendor_wants_them(where: str, with_thought: Any, without: Any) -> None:
    for messages, wanted in ((CALLED, with_thought), (UNTHOUGHT, without)):
        prepared, _ = sent("claude", "openai", where, {"model": "a", "max_tokens": 9, "messages": messages})
        told = json.loads(prepared.body)["messages"][1]
        assert {key: value for key, value in told.items() if key.startswith("reasoning")} == wanted


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Look."}], "closed": True}


@pytest.mark.parametrize(
    "model", ["magistral-medium-latest", "mistral-small-2603", "mistral-medium-3-5", "mistral-large-4-0"]
)
def test_earlier_thoughts_go_to_mistral_as_parts_of_the_content(model: str) -> None:
    spoken = [HI, {"role": "assistant", "content": [CALLED[1]["content"][0], {"type": "text", "text": "Hm."}]}, HI]
    for messages, content in ((CALLED, [THOUGHT]), (spoken, [THOUGHT, {"type": "text", "text": "Hm."}])):
        prepared, notes = sent(
            "claude", "openai", f"@api.mistral.ai {model}", {"model": "a", "max_tokens": 9, "messages": messages}
        )
        assert json.loads(prepared.body)["messages"][1]["content"] == content
        assert notes == []


@pytest.mark.parametrize(
    ("model", "up"),
    [
        ("magistral-medium-latest", {}),
        ("codestral-latest", {}),
        ("mistral-small-latest", {"reasoning_effort": "high"}),
        ("mistral-large-4-0", {"reasoning_effort": "medium"}),
    ],
)
def test_only_some_of_mistrals_models_are_told_an_effort(model: str, up: dict[str, Any]) -> None:
    assert asked("claude", "openai", f"@api.mistral.ai {model}", **ON) == M | up


def test_open_qwen_models_on_dashscope_are_asked_to_stream_whatever_the_client_wants() -> None:
    """They think by default, and answer a call that does not stream with 400."""
    document = {"model": "a", "max_tokens": 9, "messages": [HI]}
    for client in ("claude", "openai"):
        for model, streams in (("qwen3-235b-a22b", True), ("qwen3-32b", True), ("qwen-plus", False), ("qwen3-max", False)):
            prepared, _ = sent(client, "openai", f"@dashscope.aliyuncs.com {model}", document)
            assert prepared.stream is streams
            assert json.loads(prepared.body).get("stream", False) is streams
    quiet = Table([*ROWS, Quirk(model=("qwen3-*",), stream="auto")])
    assert not sent("claude", "openai", "@dashscope.aliyuncs.com qwen3-32b", document, quiet)[0].stream


# ---------------------------------------------------------------------------------------------------------------------
# Same protocol


@pytest.mark.parametrize(
    ("client", "where", "document"),
    [
        ("openai", "gpt-5", {"messages": [HI], "max_completion_tokens": 9, "temperature": 1, "reasoning_effort": "high"}),
        ("openai", "@api.deepseek.com deepseek-v4-pro", {"messages": [HI], "temperature": 0.5, "max_tokens": 9}),
        ("openai", "@dashscope.aliyuncs.com qwen3", {"messages": [HI], "reasoning_effort": "high"}),
        ("openai", "@api.minimax.io MiniMax-M2", {"messages": [HI]}),
        ("responses", "gpt-5", {"input": "Hi", "reasoning": {"effort": "high"}}),
    ],
)
def test_what_the_vendor_takes_passes_as_its_bytes(client: str, where: str, document: dict[str, Any]) -> None:
    asks = {"model": where.rpartition(" ")[2], **document}
    prepared, notes = sent(client, client, where, asks)
    assert (prepared.body, prepared.relayed, notes) == (json.dumps(asks).encode(), True, [])


@pytest.mark.parametrize(
    ("where", "said", "up"),
    [
        ("o3", {"max_tokens": 9, "temperature": 0.5}, {"max_completion_tokens": 9}),
        ("gpt-5", {"max_tokens": 9, "max_completion_tokens": 8}, {"max_completion_tokens": 8}),
        ("@x.services.ai.azure.com Mistral-Large-2411", {"max_completion_tokens": 9}, {"max_tokens": 9}),
        ("@api.mistral.ai open-nemo", {"seed": 1, "stream_options": {"include_usage": True}}, {"random_seed": 1}),
        ("@api.groq.com llama-3.3", {"logprobs": True, "n": 1}, {"n": 1}),
        ("@api.x.ai grok-4", {"reasoning_effort": "high", "presence_penalty": 1}, {}),
    ],
)
def test_what_would_be_refused_is_mended_and_the_answer_still_relayed(
    where: str, said: dict[str, Any], up: dict[str, Any]
) -> None:
    prepared, notes = sent("openai", "openai", where, {"model": "alias", "messages": [HI], **said})
    assert json.loads(prepared.body) == {"model": where.rpartition(" ")[2], "messages": [HI], **up}
    assert prepared.relayed
    assert len(notes) == len(said) - len(up) - (where == "gpt-5")


ENABLED = {"type": "enabled", "budget_tokens": 5000}
EFFORT = {"output_config": {"effort": "low"}}
LEVEL = {"includeThoughts": True, "thinkingLevel": "LOW"}


@pytest.mark.parametrize(
    ("model", "said", "up"),
    [
        ("claude-sonnet-4-5", {"thinking": {"type": "adaptive"}}, {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("claude-haiku-4-5", {"thinking": {"type": "adaptive"}} | EFFORT, {"thinking": {**ENABLED, "budget_tokens": 1024}}),
        (
            "claude-opus-4-8",
            {"thinking": ENABLED},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
        ),
        ("claude-opus-5", {"thinking": ENABLED} | EFFORT, {"thinking": {"type": "adaptive"}} | EFFORT),
    ],
)
def test_a_claude_client_that_asks_another_generation_to_think_is_understood(
    model: str, said: dict[str, Any], up: dict[str, Any]
) -> None:
    """An alias leads a client, which goes by the name that it asked for, to a model that takes thinking in the other form
    only. The rest of the request, and the answer, still pass as they are."""
    asks = {"model": "alias", "max_tokens": 9000, "messages": [HI], "metadata": {"user_id": "u"}}
    prepared, notes = sent("claude", "claude", model, asks | said)
    assert json.loads(prepared.body) == {**asks, "model": model, **up}
    assert prepared.relayed
    assert len(notes) == 1


def test_a_budget_that_the_answers_limit_leaves_no_room_for_is_none() -> None:
    asks = {"model": "alias", "max_tokens": 1000, "messages": [HI], "thinking": {"type": "adaptive"}, **EFFORT}
    prepared, notes = sent("claude", "claude", "claude-sonnet-4-5", asks)
    assert json.loads(prepared.body).keys() == {"model", "max_tokens", "messages"}
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("claude-sonnet-4-5", {"thinking": ENABLED}),
        ("claude-sonnet-4-5", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-4-5", {"thinking": "odd"}),
        ("claude-opus-4-6", {"thinking": ENABLED}),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}} | EFFORT),
        ("claude-opus-4-8", {"thinking": {"type": "adaptive"}}),
        ("kimi-k3", {"thinking": {"type": "adaptive"}} | EFFORT),
    ],
)
def test_a_form_of_thinking_that_is_taken_passes_as_its_bytes(model: str, said: dict[str, Any]) -> None:
    asks = {"model": model, "max_tokens": 9000, "messages": [HI], **said}
    prepared, notes = sent("claude", "claude", model, asks)
    assert (prepared.body, prepared.relayed, notes) == (json.dumps(asks).encode(), True, [])


@pytest.mark.parametrize(
    ("model", "said", "up"),
    [
        ("gemini-2.5-flash", LEVEL, {"includeThoughts": True, "thinkingBudget": 1024}),
        ("gemini-2.5-pro", {"thinking_level": "MINIMAL"}, {"thinkingBudget": 1024}),
        ("gemini-2.5-flash-lite", {"thinkingLevel": "HIGH"}, {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", {"thinkingLevel": "NEW"}, {}),
        ("gemini-2.5-flash", {"thinkingBudget": 5}, {"thinkingBudget": 5}),
        ("gemini-3-pro", LEVEL, LEVEL),
        ("gemini-3-pro", {"thinkingBudget": 5}, {"thinkingBudget": 5}),
        ("gemini-2.0-flash", LEVEL, None),
    ],
)
def test_a_gemini_client_that_asks_another_generation_to_think_is_understood(
    model: str, said: dict[str, Any], up: dict[str, Any] | None
) -> None:
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    asks: dict[str, Any] = {"contents": contents, "generationConfig": {"temperature": 0.5, "thinkingConfig": said}}
    prepared, notes = sent("gemini", "gemini", model, asks)
    config = json.loads(prepared.body)["generationConfig"]
    assert config == {"temperature": 0.5} | ({"thinkingConfig": up} if up is not None else {})
    assert prepared.relayed
    assert len(notes) == (up != said)


def history(id: str) -> list[Any]:
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [HI, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "1", "tool_call_id": id}]


@pytest.mark.parametrize("where", ["@api.mistral.ai x", "@y.azure.com Mistral-Large", "codestral-latest"])
def test_f031_ids_for_mistral_are_nine_letters_and_digits(where: str) -> None:
    for client, messages in (("openai", history("call_abc")), ("claude", CALLED)):
        prepared, _ = sent(client, "openai", where, {"model": "a", "max_tokens": 9, "messages": messages})
        _, called, result = json.loads(prepared.body)["messages"]
        id = called["tool_calls"][0]["id"]
        assert (len(id), id.isalnum(), result["tool_call_id"]) == (9, True, id)
        again, _ = sent(client, "openai", where, {"model": "a", "max_tokens": 9, "messages": messages})
        assert again.body == prepared.body


def test_f031_legal_ids_stay_and_so_do_the_bytes() -> None:
    asks = {"model": "mistral-large", "messages": history("AbC123xyz")}
    prepared, _ = sent("openai", "openai", "mistral-large", asks)
    assert (prepared.body, prepared.relayed) == (json.dumps(asks).encode(), True)


# ---------------------------------------------------------------------------------------------------------------------
# Families


def test_every_row_is_about_somebody_and_has_a_source() -> None:
    for row in ROWS[1:]:
        assert row.provider or row.host or row.model, row
        assert row.source, row
        assert set(row.takes or ()) <= {*TAKES, *LACKS}, row
        assert set(row.lacks or ()) <= {*TAKES, *LACKS}, row


GEMINI: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("gemini-3-pro-preview", MAX, {"thinkingLevel": "HIGH"}),
    ("gemini-3-pro-preview", OFF, {"thinkingLevel": "LOW"}),
    ("gemini-3.1-pro-preview", ON, {"thinkingLevel": "MEDIUM"}),
    ("gemini-3-flash-preview", OFF, {"thinkingLevel": "MINIMAL"}),
    ("gemini-3.5-flash-lite", OFF, {"thinkingLevel": "MINIMAL"}),
    ("gemini-2.5-pro", OFF, {"thinkingBudget": 128}),
    ("gemini-2.5-flash", OFF, {"thinkingBudget": 0}),
    ("gemini-2.5-flash-lite", ON, {"thinkingBudget": 5000}),
    ("gemini-2.0-flash", ON, {}),
]


@pytest.mark.parametrize(("model", "said", "up"), GEMINI, ids=[f"{row[0]}-{n}" for n, row in enumerate(GEMINI)])
def test_how_geminis_models_are_told_to_think(model: str, said: dict[str, Any], up: dict[str, Any]) -> None:
    config = asked("claude", "gemini", model, **said)["generationConfig"].get("thinkingConfig", {})
    assert {key: value for key, value in config.items() if key != "includeThoughts"} == up


@pytest.mark.parametrize(
    ("model", "old"), [("gemini-2.0-flash", True), ("gemini-2.5-flash", False), ("gemini-flash-latest", False)]
)
def test_schemas_for_geminis_models(model: str, old: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    document = {
        "messages": [HI],
        "model": "a",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": schema}},
    }
    told = json.loads(sent("openai", "gemini", model, document)[0].body)
    function, config = told["tools"][0]["functionDeclarations"][0], told["generationConfig"]
    assert ("parameters" in function, "responseSchema" in config) == (old, old)
    assert ("parametersJsonSchema" in function, "responseJsonSchema" in config) == (not old, not old)


@pytest.mark.parametrize("model", ["claude-opus-4-7", "gemini-3-pro"])
def test_what_the_table_says_of_a_family_a_configuration_can_take_back(model: str) -> None:
    upstream = model.partition("-")[0]
    table = Table([*ROWS, Quirk(model=(model,), takes=frozenset(LACKS), efforts=())])
    assert target_of(upstream, model).traits.lacks
    traits = target_of(upstream, model, table).traits
    assert (traits.lacks, traits.efforts) == (frozenset(), ())
