"""The rows of the vendor table: model families, then hosts. A configuration's [[quirks]] come after them.

Nothing but these rows knows a vendor. A row that no source backs is not written: what the table does not know is learned
from the upstream's refusal, for that one request (`fitting.repaired`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccproxy.model import JSON
from ccproxy.policy.quirks import Quirk, Table


def _named(*names: str) -> tuple[str, ...]:
    """Patterns of a model's name, alone and behind a maker's (`openai/o3`), as routers spell it."""
    return (*names, *(f"*/{name}" for name in names))


_CHAT = ("*/chat/completions",)
_GPT = (*_CHAT, "*/responses")
_PENALTIES: Mapping[str, JSON] = {"presence_penalty": 0, "frequency_penalty": 0}
_FIXED: Mapping[str, JSON] = {"temperature": 1, "top_p": 1, **_PENALTIES}
_LOGPROBS = ("logprobs", "top_logprobs")
_LIMIT = {"max_tokens": "max_completion_tokens"}
_GPT_5_CHAT = _named("gpt-5-chat*")
_TEMPLATE = "chat_template_kwargs"


def _thinking_type(on: str = "enabled") -> dict[str, Any]:
    return {"thinking_on": {"thinking": {"type": on}}, "thinking_off": {"thinking": {"type": "disabled"}}}


def _template(*names: str) -> dict[str, Any]:
    """Thinking as variables of the model's chat template."""
    return {
        "thinking_on": {_TEMPLATE: dict.fromkeys(names, True)},
        "thinking_off": {_TEMPLATE: dict.fromkeys(names, False)},
        "effort": "",
    }


_EVERYBODY = (
    Quirk(
        refusals=(
            r"Unsupported (?:parameter|value): '(?P<name>[\w.]+)'",
            r"(?:Unknown parameter: |Unrecognized request argument supplied: )'?(?P<name>[\w.]+)",
            r"^property '(?P<name>\w+)' is unsupported",
            r"extra_forbidden[\\\"',\s]*loc[\\\"':,\s\[(]*body[\\\"',\s]*(?P<name>\w+)",
            r"does not support parameter (?P<name>\w+)",
            r"Argument not supported(?: on this model)?: (?P<name>\w+)",
        ),
        source="OpenAI, error codes unsupported_parameter, unsupported_value and unknown_parameter "
        "(softwaremill/sttp-ai#490); Groq (fanenr/chatbot#21); pydantic's extra_forbidden, as in Mistral's servers "
        "(editor-code-assistant/eca#231); xAI (NousResearch/hermes-agent#23088)",
    ),
)

_OPENAI = (
    Quirk(
        model=_named("o1", "o1-*", "o3", "o3-*", "o4-*", "gpt-5*"),
        path=_CHAT,
        rename=_LIMIT,
        source="API reference, Create chat completion, max_tokens: not compatible with o-series models; gpt-5: "
        "explodinggradients/ragas#2418, softwaremill/sttp-ai#490",
    ),
    Quirk(
        model=_named("o1", "o1-*", "o3", "o3-*", "o4-*"),
        path=_GPT,
        only=_FIXED,
        drop=_LOGPROBS,
        efforts=("low", "medium", "high"),
        source="community.openai.com/t/1110750, table of what o1 and o3-mini refuse; Azure OpenAI, Reasoning models",
    ),
    Quirk(
        model=_named("gpt-5", "gpt-5-*"),
        path=_GPT,
        only=_FIXED,
        drop=_LOGPROBS,
        efforts=("minimal", "low", "medium", "high"),
        source="BerriAI/litellm#13381; guide Using GPT-5, section Parameter compatibility; API reference, reasoning_effort",
    ),
    Quirk(
        model=_GPT_5_CHAT,
        keep=("temperature", "top_p", "presence_penalty", "frequency_penalty", *_LOGPROBS),
        source="BerriAI/litellm#13781: the chat model does not reason and takes a temperature",
    ),
    Quirk(
        model=_named("gpt-5.1*"),
        path=_GPT,
        drop_thinking=("temperature", "top_p", *_LOGPROBS),
        efforts=("none", "low", "medium", "high"),
        source="API reference, reasoning_effort; guide Using GPT-5.2, section Parameter compatibility",
    ),
    Quirk(
        model=_named("gpt-5.[2-9]*"),
        path=_GPT,
        drop_thinking=("temperature", "top_p", *_LOGPROBS),
        efforts=("none", "low", "medium", "high", "xhigh"),
        source="API reference, reasoning_effort; guide Using GPT-5.2, section Parameter compatibility: temperature, top_p "
        "and logprobs with reasoning effort none only",
    ),
    Quirk(
        model=("*gpt-oss*",),
        efforts=("low", "medium", "high"),
        source="Ollama, Thinking: gpt-oss expects low, medium or high; langchain_cerebras, reasoning_effort",
    ),
)

_MESSAGES = ("*/messages",)
_GENERATE = ("*generatecontent*",)

_CLAUDE = (
    Quirk(
        model=("*claude-*",),
        since=(0, 0),
        path=_MESSAGES,
        demands_thoughts=True,
        source="Anthropic, Extended thinking, Thinking with tool use: the turn must begin with its thought; servers that "
        "only speak the protocol do not ask for it",
    ),
    Quirk(
        model=("*claude-*",),
        before=(4, 1),
        path=_MESSAGES,
        lacks=frozenset({"json_schema"}),
        source="Anthropic, Structured outputs, Supported models: Opus 4.1, Sonnet 4.5 and later",
    ),
    Quirk(
        model=("*claude-*",),
        before=(4, 6),
        path=_MESSAGES,
        lacks=frozenset({"adaptive"}),
        source="Anthropic, Adaptive thinking, Supported models; askalf/dario#273 (each model asked)",
    ),
    Quirk(
        model=("*claude-*",),
        since=(4, 6),
        path=_MESSAGES,
        efforts=("low", "medium", "high", "max"),
        lacks=frozenset({"prefill"}),
        source="Anthropic, Adaptive thinking; Migration guide, 4.6: prefill is refused. The effort xhigh: not all of them",
    ),
    Quirk(
        model=("*claude-*",),
        since=(4, 7),
        path=_MESSAGES,
        lacks=frozenset({"budgets", "sampling"}),
        source="Anthropic, Migration guide, 4.7: temperature, top_p and top_k other than their defaults are refused, and "
        "so is thinking of the type enabled (handochan/aelix-ai#258: each model asked)",
    ),
    Quirk(
        model=("*claude-*",),
        since=(4, 7),
        before=(5, 0),
        path=_MESSAGES,
        lacks=frozenset({"thinking_off"}),
        source="Anthropic, Migration guide, 4.7: it does not think unless asked to; from 5 on it does",
    ),
)

_GEMINI = (
    Quirk(
        model=("*gemini-*",),
        before=(2, 5),
        path=_GENERATE,
        lacks=frozenset({"json_schema", "thinking"}),
        source="Gemini API, Structured output, JSON Schema support; envoyproxy/ai-gateway#1403 and #1512 (older ones "
        "refuse responseJsonSchema and parametersJsonSchema); Gemini thinking: from 2.5 on",
    ),
    Quirk(
        model=("*gemini-*",),
        since=(2, 5),
        before=(3, 0),
        path=_GENERATE,
        lacks=frozenset({"levels"}),
        source="Gemini API, Gemini thinking, Thinking levels: with 2.5 thinkingBudget is used, a level is an error",
    ),
    Quirk(
        model=("*gemini-*flash*",),
        since=(2, 5),
        before=(3, 0),
        path=_GENERATE,
        budgets=(0, 24_576),
        source="Gemini API, Gemini thinking, Thinking budgets",
    ),
    Quirk(
        model=("*gemini-*flash-lite*",),
        since=(2, 5),
        before=(3, 0),
        path=_GENERATE,
        budgets=(512, 24_576),
        source="Gemini API, Gemini thinking, Thinking budgets: or 0",
    ),
    Quirk(
        model=("*gemini-*pro*",),
        since=(2, 5),
        before=(3, 0),
        path=_GENERATE,
        budgets=(128, 32_768),
        lacks=frozenset({"thinking_off"}),
        source="Gemini API, Gemini thinking, Thinking budgets: cannot be switched off",
    ),
    Quirk(
        model=("*gemini-*",),
        since=(3, 0),
        path=_GENERATE,
        efforts=("minimal", "low", "medium", "high"),
        lacks=frozenset({"unsigned_calls"}),
        takes=frozenset({"media_results"}),
        source="Gemini API, Gemini 3 developer guide, Thinking level (3 Flash, 3.1 Flash-Lite, 3.5 Flash), Thought "
        "signatures, Multimodal function responses",
    ),
    Quirk(
        model=("*gemini-*pro*",),
        since=(3, 0),
        path=_GENERATE,
        efforts=("low", "medium", "high"),
        source="Gemini Enterprise Agent Platform, Gemini 3.5 Flash guide, table of the family: 3.1 Pro has no MINIMAL",
    ),
    Quirk(
        model=("*gemini-*pro*",),
        since=(3, 0),
        before=(3, 1),
        path=_GENERATE,
        efforts=("low", "high"),
        source="Gemini API, Gemini 3 developer guide, Thinking level: 3 Pro has LOW and HIGH",
    ),
)

_FAMILIES = (
    Quirk(
        model=("*deepseek*",),
        path=_CHAT,
        thoughts="reasoning_content",
        demands_thoughts=True,
        source="api-docs.deepseek.com, Thinking Mode, Tool calls; an empty one where there is none: "
        "NousResearch/hermes-agent#16388, Zoo-Code-Org/Zoo-Code#201",
    ),
    Quirk(
        model=("*kimi*",),
        path=_CHAT,
        thoughts="reasoning_content",
        demands_thoughts=True,
        source="platform.moonshot.ai, Use Kimi K2 Thinking Model, Multi-step tool call; an empty one where there is none: "
        "Lapis0x0/obsidian-yolo#243, earendil-works/pi#987",
    ),
    Quirk(
        model=("*mistral*", "*mixtral*", "*codestral*", "*devstral*", "*magistral*", "*ministral*", "*pixtral*"),
        path=_CHAT,
        id_length=9,
        rename={"max_completion_tokens": "max_tokens"},
        source="langchain-ai/langchain#24668 and avante-corp/avante.nvim#2951 (ids); editor-code-assistant/eca#231, and on "
        "Azure pydantic/pydantic-ai#6929 (the limit)",
    ),
)

_HOSTS = (
    Quirk(
        host=("*.deepseek.com",),
        path=_CHAT,
        **_thinking_type(),
        source="api-docs.deepseek.com, Thinking Mode, Toggle and Effort Control; other levels are mapped by the server",
    ),
    Quirk(
        host=("*.moonshot.*", "*.kimi.com"),
        model=("kimi-k2.[5-9]*", "kimi-k3*", "k3*", "kimi-for-coding*"),
        path=_CHAT,
        only={"temperature": 1, "top_p": 0.95},
        source="platform.kimi.ai, Models overview, Parameter comparison; iOfficeAI/gemini-cli-pro#30; "
        "Warma10032/VideoAdGuard#34",
    ),
    Quirk(
        host=("*.moonshot.*", "*.kimi.com"),
        model=("kimi-k2*",),
        path=_CHAT,
        effort="",
        source="platform.kimi.ai, Models overview: K2 has no levels",
    ),
    Quirk(
        host=("*.moonshot.*", "*.kimi.com"),
        model=("kimi-k2.[56]*",),
        path=_CHAT,
        **_thinking_type(),
        source="platform.kimi.ai, Models overview, Kimi K2.5 thinking parameter",
    ),
    Quirk(
        host=("*.moonshot.*", "*.kimi.com"),
        model=("kimi-k3*", "k3*"),
        path=_CHAT,
        efforts=("low", "high", "max"),
        source="platform.kimi.ai, Use thinking effort: K3 always thinks",
    ),
    Quirk(
        host=("*.mistral.ai",),
        path=_CHAT,
        id_length=9,
        rename={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
        drop=("stream_options", "user", *_LOGPROBS),
        effort="",
        source="docs.mistral.ai, API, Chat completion: members beyond its own are refused; dnakov/anon-kode#53 "
        "(stream_options), simonw/llm-mistral#2 (random_seed)",
    ),
    Quirk(
        host=("*.mistral.ai",),
        model=("mistral-small*", "mistral-medium*"),
        path=_CHAT,
        effort="reasoning_effort",
        efforts=("none", "high"),
        thoughts="content",
        source="docs.mistral.ai, Reasoning, Adjustable reasoning; other models answer 422 to an effort "
        "(NousResearch/hermes-agent#11243); @ai-sdk/mistral 3.0.52 (earlier thoughts)",
    ),
    Quirk(
        host=("*.mistral.ai",),
        model=("mistral-large-[4-9]*",),
        path=_CHAT,
        effort="reasoning_effort",
        efforts=("none", "low", "medium", "high"),
        thoughts="content",
        source="docs.mistral.ai, Reasoning: Mistral Large 4",
    ),
    Quirk(
        host=("*.mistral.ai",),
        model=("magistral*",),
        path=_CHAT,
        thoughts="content",
        source="docs.mistral.ai, Native reasoning: it always thinks, no parameter is taken; thoughts are parts of content",
    ),
    Quirk(
        host=("dashscope*.aliyuncs.com", "*.dashscope.aliyuncs.com"),
        path=_CHAT,
        thinking_on={"enable_thinking": True},
        thinking_off={"enable_thinking": False},
        effort="",
        budget="thinking_budget",
        source="help.aliyun.com, Model Studio, Deep thinking",
    ),
    Quirk(
        host=("dashscope*.aliyuncs.com", "*.dashscope.aliyuncs.com", "*.modelscope.cn"),
        model=_named("qwen3-*b", "qwen3-*b-*thinking*", "qwq*", "qvq*"),
        path=_CHAT,
        stream="always",
        source="langchain4j/langchain4j#3974 (enable_thinking must be set to false for non-streaming calls), "
        "musistudio/claude-code-router#948; the open models think unless told not to",
    ),
    Quirk(
        host=("*.z.ai", "*.bigmodel.cn"),
        path=_CHAT,
        **_thinking_type(),
        effort="",
        thoughts="reasoning_content",
        source="docs.z.ai, Thinking Mode: interleaved and preserved thinking",
    ),
    Quirk(
        host=("*.z.ai", "*.bigmodel.cn"),
        model=("glm-5.[2-9]*",),
        path=_CHAT,
        effort="reasoning_effort",
        source="docs.z.ai, reasoning_effort, from GLM-5.2 on (nesquena/hermes-webui exp-v0.52.105)",
    ),
    Quirk(
        host=("*.minimax.io", "*.minimaxi.com"),
        path=_CHAT,
        fill={"reasoning_split": True},
        thoughts="reasoning_details",
        effort="",
        source="platform.minimax.io, OpenAI API, Important note: the whole answer goes back, thoughts and all",
    ),
    Quirk(
        host=("*.minimax.io", "*.minimaxi.com"),
        model=("minimax-m3*",),
        path=_CHAT,
        **_thinking_type("adaptive"),
        source="java.agentscope.io, MiniMax, Thinking mode: M3 only",
    ),
    Quirk(
        host=("integrate.api.nvidia.com",),
        model=("*nemotron-3*", "*glm*", "*qwen3*"),
        path=_CHAT,
        **_template("enable_thinking"),
        source="build.nvidia.com, model cards of nemotron-3-nano and glm5 (anomalyco/opencode#13584)",
    ),
    Quirk(
        host=("integrate.api.nvidia.com",),
        model=("*deepseek-v*",),
        path=_CHAT,
        **_template("enable_thinking", "thinking"),
        source="anomalyco/opencode#45370, lobehub/lobehub#9408",
    ),
    Quirk(
        host=("api.groq.com",),
        again=("tool_use_failed",),
        drop=(*_LOGPROBS, "logit_bias"),
        thoughts="",
        demands_thoughts=False,
        effort="",
        source="console.groq.com, OpenAI Compatibility, Currently Unsupported OpenAI Features; pydantic/pydantic-ai#4354 "
        "(tool_use_failed); janhq/jan#8136 and freellmapi#1070 (reasoning_content)",
    ),
    Quirk(
        host=("api.groq.com",),
        model=("*gpt-oss*",),
        effort="reasoning_effort",
        source="console.groq.com, Reasoning",
    ),
    Quirk(
        host=("api.groq.com",),
        model=("*qwen3*",),
        thinking_on={"reasoning_effort": "default"},
        thinking_off={"reasoning_effort": "none"},
        source="console.groq.com, Reasoning, Options for reasoning effort",
    ),
    Quirk(
        host=("openrouter.ai", "*.openrouter.ai"),
        path=_CHAT,
        takes=frozenset({"cache_control", "min_p", "repeat_penalty", "top_k"}),
        thinking_on={"reasoning": {"enabled": True}},
        thinking_off={"reasoning": {"effort": "none"}},
        effort="reasoning.effort",
        budget="reasoning.max_tokens",
        source="openrouter.ai/docs, Reasoning Tokens, Prompt Caching (pydantic/pydantic-ai#4392), Parameters",
    ),
    Quirk(
        host=("api.x.ai",),
        model=("grok-3-mini*", "grok-4*", "grok-code*", "grok-build*"),
        path=_GPT,
        drop=("presence_penalty", "frequency_penalty", "stop"),
        source="docs.x.ai, Reasoning: presencePenalty, frequencyPenalty and stop are errors in reasoning models",
    ),
    Quirk(
        host=("api.x.ai",),
        model=("*-non-reasoning*",),
        keep=("presence_penalty", "frequency_penalty", "stop"),
        source="docs.x.ai, Reasoning: of the reasoning models only",
    ),
    Quirk(
        host=("api.x.ai",),
        path=_GPT,
        drop=("reasoning_effort", "reasoning.effort"),
        source="docs.x.ai, Reasoning: an error in grok-3, grok-4, grok-4-fast, grok-4-1-fast, grok-4.20 and grok-code "
        "(NousResearch/hermes-agent#23435)",
    ),
    Quirk(
        host=("api.x.ai",),
        model=("grok-3-mini*",),
        keep=("reasoning_effort", "reasoning.effort"),
        efforts=("low", "high"),
        source="docs.x.ai, Reasoning, Control how hard the model thinks",
    ),
    Quirk(
        host=("api.x.ai",),
        model=("grok-4.3*", "grok-latest"),
        keep=("reasoning_effort", "reasoning.effort"),
        efforts=("none", "low", "medium", "high"),
        source="vercel/ai, @ai-sdk/xai 4.0.0-canary.61",
    ),
    Quirk(
        host=("api.x.ai",),
        model=("grok-4.[5-9]*",),
        keep=("reasoning_effort", "reasoning.effort"),
        efforts=("low", "medium", "high"),
        source="docs.x.ai, Reasoning (anomalyco/opencode#39448)",
    ),
    Quirk(
        host=("api.cerebras.ai",),
        drop=("frequency_penalty", "presence_penalty", "logit_bias", "service_tier"),
        thoughts="",
        demands_thoughts=False,
        source="inference-docs.cerebras.ai, OpenAI compatibility: a 400 each (ReqLLM guide Cerebras)",
    ),
    Quirk(
        provider=("*vllm*", "*sglang*"),
        path=_CHAT,
        takes=frozenset({"min_p", "repeat_penalty", "top_k"}),
        **_template("enable_thinking"),
        source="docs.vllm.ai, OpenAI-Compatible Server, Extra parameters; qwen.readthedocs.io, Quickstart",
    ),
    Quirk(
        provider=("*llama.cpp*", "*llamacpp*", "*llama-cpp*"),
        path=_CHAT,
        takes=frozenset({"min_p", "top_k"}),
        source="llama.cpp, tools/server/README.md, /v1/chat/completions",
    ),
)

ROWS: tuple[Quirk, ...] = (*_EVERYBODY, *_OPENAI, *_CLAUDE, *_GEMINI, *_FAMILIES, *_HOSTS)

BUILT_IN = Table(ROWS)
