"""OpenAI (API reference, "Create chat completion")."""

from __future__ import annotations

from typing import Any

from tests.fakes.asking.wishes import (
    JOINT,
    JSONObject,
    Said,
    Teller,
    Wish,
    arguments_of,
    audio_fact,
    document_fact,
    effort_of,
    fact_from_url,
    format_of,
    image_from,
    joined_texts,
    media_fact,
    parameters_of,
    thinking_of,
)


def _openai_parts(content: Any) -> list[Said]:
    if isinstance(content, str) or content is None:
        return [("", "text", content or "")]
    return [_openai_part(part) for part in content]


def _openai_part(part: Any) -> Said:
    if isinstance(part, str):
        return ("", "text", part)
    kind = part["type"]
    if kind == "text":
        return ("", "text", part["text"])
    if kind == "refusal":
        return ("", "refusal", part["refusal"])
    if kind == "image_url":
        image = part["image_url"]
        image = {"url": image} if isinstance(image, str) else image
        return image_from(image["url"], image.get("detail") or "")
    if kind == "input_audio":
        data, format = part["input_audio"]["data"], part["input_audio"].get("format") or ""
        return fact_from_url(data, f"audio/{format}") if ":" in data[:8] else audio_fact("data", data, format)
    if kind == "file":
        file = part["file"]
        data, name = file.get("file_data"), file.get("filename") or ""
        if not data:
            return document_fact("file_id", file["file_id"], "", name)
        return fact_from_url(data, name=name) if ":" in data[:8] else media_fact("data", data, "", name)
    if kind == "thinking":
        return ("", "thought", "".join(one.get("text", "") for one in part["thinking"]), False)
    return ("", "opaque", kind)


def openai(document: JSONObject, stream: bool | None) -> Wish:
    teller = Teller()
    wish = teller.wish
    leading = True
    system: list[str] = []
    for message in document["messages"]:
        role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
        teller.mark(message, *(message.get("content") if isinstance(message.get("content"), list) else ()))
        parts = _openai_parts(message.get("content"))
        leading = leading and role == "system"
        if leading:
            system += [part[2] for part in parts if part[2]]
        elif role == "tool":
            teller.result(message.get("tool_call_id") or "", message.get("name") or "", joined_texts(parts))
        else:
            _openai_message(teller, role, message, parts)
    wish.system = JOINT.join(system)
    _openai_tools(teller, document)
    _openai_settings(teller, document)
    teller.set(stream=bool(document.get("stream")))
    known = "messages tools functions tool_choice function_call parallel_tool_calls stream stream_options"
    return teller.end(document, f"{known} {_OPENAI_SET}")


def _openai_message(teller: Teller, role: str, message: JSONObject, parts: list[Said]) -> None:
    thoughts = [message.get(name) for name in ("reasoning_content", "reasoning") if message.get(name)]
    details = message.get("reasoning_details") or []
    words = thoughts[0] if thoughts else "".join(one.get("text") or one.get("summary") or "" for one in details)
    if words or details:
        proof = any(one.get("signature") or one.get("data") for one in details)
        teller.say("assistant", "thought", words, proof)
    for _, kind, *rest in parts:
        if kind in ("text", "refusal"):
            teller.text(role, rest[0], kind)
        else:
            teller.say(role, kind, *rest)
    teller.text(role, message.get("refusal"), "refusal")
    for call in message.get("tool_calls") or []:
        kind = call.get("type") or "function"
        if kind == "custom":
            teller.call(call["id"], call["custom"]["name"], call["custom"]["input"], "custom")
        elif kind != "function":
            teller.say(role, "opaque", kind)
        else:
            teller.call(call["id"], call["function"]["name"], arguments_of(call["function"].get("arguments") or ""))
    if legacy := message.get("function_call"):
        teller.call("", legacy["name"], arguments_of(legacy.get("arguments") or ""))


def _openai_tools(teller: Teller, document: JSONObject) -> None:
    wish = teller.wish
    tools = [*(document.get("tools") or []), *({"function": one} for one in document.get("functions") or [])]
    teller.mark(*tools)
    for tool in tools:
        kind = tool.get("type", "function")
        if kind == "custom":
            body = tool["custom"]
            wish.tools.append((body["name"], body.get("description") or "", body.get("format"), False, "custom"))
        elif kind == "function":
            body = tool.get("function", tool)
            schema, strict = parameters_of(body.get("parameters")), bool(body.get("strict"))
            wish.tools.append((body["name"], body.get("description") or "", schema, strict, "function"))
        else:
            wish.tools.append(("", kind, None, False, "server"))
    wish.parallel = document.get("parallel_tool_calls") is not False and not document.get("functions")
    wish.choice = _openai_choice(document.get("tool_choice") or document.get("function_call"))


def _openai_choice(said: Any) -> Any:
    if said is None or isinstance(said, str):
        return {"any": "required"}.get(said, said) if said else None
    kind = said.get("type", "function")
    if kind == "allowed_tools":
        allowed = said.get("allowed_tools", said)
        names = tuple((one.get(one["type"]) or one).get("name", "") for one in allowed["tools"])
        return ("allowed", allowed["mode"], tuple(name for name in names if name))
    if kind not in ("function", "custom"):
        return None
    return ("tool", (said.get(kind) or said).get("name"))


_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OPENAI_SET = """temperature top_p top_k min_p seed frequency_penalty presence_penalty repetition_penalty max_tokens
    max_completion_tokens stop n user metadata store logprobs top_logprobs response_format reasoning_effort reasoning"""


def _openai_settings(teller: Teller, document: JSONObject) -> None:
    for name in ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty"):
        teller.set(**{f"sampling__{name}": document.get(name)})
    stop = document.get("stop")
    teller.set(
        sampling__repeat_penalty=document.get("repetition_penalty"),
        sampling__max_tokens=document.get("max_completion_tokens") or document.get("max_tokens"),
        sampling__stop=[stop] if isinstance(stop, str) and stop else stop,
        n=document.get("n") if document.get("n") != 1 else None,
        user=document.get("user"),
        metadata=document.get("metadata"),
        store=document.get("store") or None,
        logprobs=(document.get("top_logprobs") or 0) if document.get("logprobs") is True else None,
        format=format_of(document.get("response_format"), "json_schema"),
    )
    more = document.get("reasoning")
    more = more if isinstance(more, dict) else {}
    effort = document.get("reasoning_effort") or more.get("effort")
    if effort not in (None, *_EFFORTS):  # some vendor's word
        teller.wish.own.append("reasoning_effort")
        effort = None
    shown = bool(more) and more.get("enabled") is not False and not more.get("exclude")  # OpenRouter, "Reasoning tokens"
    hidden = more.get("exclude") is True
    thinking = thinking_of(more.get("enabled"), effort_of(more.get("max_tokens"), effort))
    teller.set(thinking=thinking, shown=shown or None, hidden=hidden or None, none=effort == "none" or None)
