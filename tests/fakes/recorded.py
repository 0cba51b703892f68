"""What a recording means, read without ccproxy's code: the judge's own, plain reading of each protocol's documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.meaning import Meaning, Spoken

JSONObject = dict[str, Any]


def _payloads(stream: bytes) -> list[JSONObject]:
    """The JSON payloads of an event stream, lines, or an array."""
    text = stream.decode().strip()
    if text.startswith("["):
        found: list[JSONObject] = json.loads(text)
        return found
    if text.startswith("{"):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    lines = [line[5:].strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line[:5] == "data:"]
    return [json.loads(line) for line in lines if line and line != "[DONE]"]


def _arguments(text: Any) -> Any:
    if not isinstance(text, str):
        return text or {}
    return json.loads(text) if text.strip() else {}


# OpenAI

_OPENAI_FINISH = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filter",
    None: "stop",
    "end_turn": "stop",
}


def _openai_text(content: Any) -> tuple[str, str]:
    """(text, thinking) of a content that is a string or parts."""
    if not isinstance(content, list):
        return content or "", ""
    text = "".join(part.get("text", "") for part in content if part.get("type") == "text")
    thinking = "".join(
        inner.get("text", "") for part in content if part.get("type") == "thinking" for inner in part["thinking"]
    )
    return text, thinking


def _openai_delta(meaning: Meaning, delta: JSONObject, calls: dict[int, list[str]]) -> None:
    text, thought = _openai_text(delta.get("content"))
    meaning.text += text + (delta.get("refusal") or "")
    reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
    if not reasoning:
        reasoning = "".join(d.get("text") or d.get("summary") or "" for d in delta.get("reasoning_details") or [])
    meaning.thinking += thought + (reasoning if isinstance(reasoning, str) else "")
    if delta.get("refusal"):
        meaning.finish = "filter"
    for number, call in enumerate(delta.get("tool_calls") or []):
        named = calls.setdefault(call.get("index", number), ["", ""])
        function = call.get("function") or call.get("custom") or {}
        named[0] = named[0] or function.get("name") or ""
        named[1] += function.get("arguments") or function.get("input") or ""
    legacy = delta.get("function_call")
    if legacy:
        named = calls.setdefault(0, ["", ""])
        named[0] = named[0] or legacy.get("name") or ""
        named[1] += legacy.get("arguments") or ""


def openai(documents: list[JSONObject]) -> Meaning:
    meaning = Meaning(finish="", input=0, output=0)
    calls: dict[int, list[str]] = {}
    finish = None
    for document in documents:
        for choice in document.get("choices") or []:
            if choice.get("index", 0) == 0:
                _openai_delta(meaning, choice.get("delta") or choice.get("message") or {}, calls)
                finish = choice.get("finish_reason") or finish
        usage = document.get("usage") or (document.get("x_groq") or {}).get("usage")
        if usage and (usage.get("prompt_tokens") or usage.get("completion_tokens")):
            meaning.input, meaning.output = usage["prompt_tokens"], usage.get("completion_tokens") or 0
    meaning.calls = [Spoken(name, _arguments(text)) for name, text in calls.values() if name or text]
    refused = meaning.finish == "filter"
    meaning.finish = _OPENAI_FINISH.get(finish, finish or "stop")
    if refused:
        meaning.finish = "filter"
    if meaning.calls and meaning.finish == "stop":
        meaning.finish = "tool_calls"
    elif not meaning.calls and meaning.finish == "tool_calls":
        meaning.finish = "stop"  # an empty call is none
    return meaning


# Responses


def responses(documents: list[JSONObject]) -> Meaning:
    last = documents[-1]
    document = last.get("response", last)
    meaning = Meaning(finish="stop", input=0, output=0)
    thoughts: list[str] = []
    for item in document.get("output") or _done_items(documents):
        if item["type"] == "message":
            for part in item["content"]:
                meaning.text += part.get("text") or part.get("refusal") or ""
                meaning.finish = "filter" if part["type"] == "refusal" else meaning.finish
        elif item["type"] == "reasoning":
            thoughts += [part["text"] for part in [*(item.get("summary") or []), *(item.get("content") or [])]]
        elif item["type"] == "function_call":
            meaning.calls.append(Spoken(item["name"], _arguments(item["arguments"])))
        elif item["type"] == "custom_tool_call":
            meaning.calls.append(Spoken(item["name"], {"input": item["input"]}))
    meaning.thinking = "\n\n".join(thoughts)
    if meaning.calls:
        meaning.finish = "tool_calls"
    if document.get("status") == "incomplete":
        reason = document["incomplete_details"]["reason"]
        meaning.finish = "length" if reason == "max_output_tokens" else "filter"
    usage = document.get("usage") or {}
    meaning.input, meaning.output = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    return meaning


def _done_items(documents: list[JSONObject]) -> list[JSONObject]:
    return [event["item"] for event in documents if event.get("type") == "response.output_item.done"]


# Claude

_CLAUDE_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "stop",
    "refusal": "filter",
    None: "stop",
}


def claude(documents: list[JSONObject]) -> Meaning:
    if len(documents) == 1 and documents[0].get("type") == "message":
        message = documents[0]
        return _claude_meaning(message["content"], message["stop_reason"], message["usage"])
    blocks: dict[int, JSONObject] = {}
    usage: JSONObject = {}
    stop = None
    for event in documents:
        kind = event.get("type")
        if kind == "message_start":
            usage.update(event["message"].get("usage") or {})
        elif kind == "content_block_start":
            block = dict(event["content_block"])
            blocks[event["index"]] = {**block, "json": ""}
        elif kind == "content_block_delta":
            _claude_delta(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            stop = event["delta"].get("stop_reason") or stop
            usage.update({k: v for k, v in (event.get("usage") or {}).items() if v})
    for block in blocks.values():
        if block["json"]:
            block["input"] = json.loads(block["json"])
    return _claude_meaning(list(blocks.values()), stop, usage)


def _claude_delta(block: JSONObject, delta: JSONObject) -> None:
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    elif delta["type"] == "thinking_delta":
        block["thinking"] += delta["thinking"]
    elif delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]


def _claude_meaning(blocks: list[JSONObject], stop: str | None, usage: JSONObject) -> Meaning:
    calls = [Spoken(b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    finish = _CLAUDE_FINISH[stop]
    counts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return Meaning(
        text="".join(b["text"] for b in blocks if b["type"] == "text"),
        thinking="".join(b["thinking"] for b in blocks if b["type"] == "thinking"),
        calls=calls,
        finish="tool_calls" if calls and finish == "stop" else finish,
        input=sum(usage.get(name) or 0 for name in counts),
        output=usage.get("output_tokens") or 0,
    )


# Gemini

_GEMINI_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", None: "stop"}


def _gemini_call(meaning: Meaning, call: JSONObject) -> None:
    """A whole call, or a piece of one whose arguments stream (`partialArgs`, one level deep in the recordings)."""
    if call.get("name"):
        meaning.calls.append(Spoken(call["name"], call.get("args") or {}))
    for piece in call.get("partialArgs") or []:
        name = piece["jsonPath"].removeprefix("$.")
        value = next(v for k, v in piece.items() if k.endswith("Value"))
        arguments = meaning.calls[-1].arguments
        arguments[name] = arguments.get(name, "") + value if isinstance(value, str) else value


def gemini(documents: list[JSONObject]) -> Meaning:
    meaning = Meaning(finish="", input=0, output=0)
    finish = None
    for document in documents:
        for candidate in (document.get("candidates") or [])[:1]:
            finish = candidate.get("finishReason") or finish
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    _gemini_call(meaning, part["functionCall"])
                elif part.get("thought"):
                    meaning.thinking += part.get("text") or ""
                else:
                    meaning.text += part.get("text") or ""
        if (document.get("promptFeedback") or {}).get("blockReason"):
            finish = "SAFETY"
        usage = document.get("usageMetadata") or {}
        if any(isinstance(v, int) and v for v in usage.values()):
            meaning.input = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
            meaning.output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    meaning.finish = _GEMINI_FINISH.get(finish, "filter")
    if meaning.calls and meaning.finish == "stop":
        meaning.finish = "tool_calls"
    return meaning


# Ollama


def ollama(documents: list[JSONObject]) -> Meaning:
    meaning = Meaning(finish="stop", input=0, output=0)
    for document in documents:
        message = document.get("message") or {}
        meaning.text += message.get("content") or document.get("response") or ""
        meaning.thinking += message.get("thinking") or ""
        for call in message.get("tool_calls") or []:
            meaning.calls.append(Spoken(call["function"]["name"], call["function"].get("arguments") or {}))
        if document.get("done"):
            meaning.finish = {"length": "length"}.get(document.get("done_reason", "stop"), "stop")
            meaning.input, meaning.output = document.get("prompt_eval_count", 0), document.get("eval_count", 0)
    if meaning.calls and meaning.finish == "stop":
        meaning.finish = "tool_calls"
    return meaning


READERS: dict[str, Callable[[list[JSONObject]], Meaning]] = {
    "openai": openai,
    "responses": responses,
    "claude": claude,
    "gemini": gemini,
    "ollama": ollama,
}


def meaning_of(protocol: str, body: bytes, stream: bool) -> Meaning:
    """What the recording says. stream: it is a stream, not one document."""
    return READERS[protocol](_payloads(body) if stream else [json.loads(body)])
