"""Responses (API reference, "Create a model response")."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.asking.wishes import (
    JOINT,
    JSONObject,
    Said,
    Teller,
    Wanted,
    Wish,
    arguments_of,
    audio_fact,
    document_fact,
    effort_of,
    fact_from_url,
    format_of,
    image_fact,
    image_from,
    joined_texts,
    media_fact,
    parameters_of,
    thinking_of,
)

_RESPONSES_SET = """instructions input tools tool_choice parallel_tool_calls stream temperature top_p max_output_tokens user
    safety_identifier metadata store top_logprobs text reasoning stream_options"""


def responses(document: JSONObject, stream: bool | None) -> Wish:
    teller = Teller()
    wish = teller.wish
    system = [document["instructions"]] if document.get("instructions") else []
    given = document.get("input") or []
    leading = True
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        if item.get("type") == "additional_tools":
            wish.tools += [wanted for tool in item["tools"] for wanted in _responses_tools(tool)]
            continue
        role = {"developer": "system"}.get(item.get("role", ""), item.get("role", ""))
        leading = leading and role == "system"
        if leading:
            system += [part[2] for part in _responses_parts(item["content"]) if part[1] == "text" and part[2]]
        else:
            _responses_item(teller, role, item)
    wish.system = JOINT.join(system)
    for tool in document.get("tools") or []:
        wish.tools += _responses_tools(tool)
    wish.parallel = document.get("parallel_tool_calls") is not False
    choice = document.get("tool_choice")
    wish.choice = _responses_choice(choice)
    text = document.get("text") or {}
    more = document.get("reasoning") or {}
    teller.set(
        sampling__temperature=document.get("temperature"),
        sampling__top_p=document.get("top_p"),
        sampling__max_tokens=document.get("max_output_tokens"),
        user=document.get("user") or document.get("safety_identifier"),
        metadata=document.get("metadata"),
        store=document.get("store") or None,
        logprobs=document.get("top_logprobs"),
        format=format_of(text.get("format"), "none"),
        thinking=thinking_of(None, effort_of(None, more.get("effort"))),
        none=more.get("effort") == "none" or None,
        shown=more.get("summary") in ("auto", "concise", "detailed") or None,
        stream=bool(document.get("stream")),
    )
    encrypted = document.get("include") == ["reasoning.encrypted_content"]  # how thoughts come back, no more
    wish = teller.end(document, f"{_RESPONSES_SET} include" if encrypted else _RESPONSES_SET)
    wish.own += [f"text.{key}" for key in text if key != "format"]
    return wish


def _responses_choice(said: Any) -> Any:
    if isinstance(said, dict) and said.get("type") in ("function", "custom"):
        return ("tool", _flat(said))
    if isinstance(said, dict) and said.get("type") == "allowed_tools":
        names = tuple(_flat(one) for one in said["tools"] if one["type"] in ("function", "custom"))
        return ("allowed", said["mode"], names)
    return said if isinstance(said, str) else None


def _flat(raw: JSONObject) -> str:
    return f"{raw['namespace']}__{raw['name']}" if raw.get("namespace") else str(raw["name"])


def _responses_tools(tool: JSONObject) -> list[Wanted]:
    kind = tool["type"]
    if kind == "namespace":
        inner = [one for raw in tool["tools"] for one in _responses_tools(raw)]
        if not inner or any(one[4] == "server" for one in inner):
            return [("", kind, None, False, "server")]
        return [(f"{tool['name']}__{one[0]}", *one[1:]) for one in inner]
    if kind == "custom":
        return [(tool["name"], tool.get("description") or "", tool.get("format"), False, kind)]
    if kind != "function":
        return [("", kind, None, False, "server")]
    schema, strict = parameters_of(tool.get("parameters")), tool.get("strict") is True
    return [(tool["name"], tool.get("description") or "", schema, strict, kind)]


def _responses_parts(content: Any) -> list[Said]:
    if isinstance(content, str):
        return [("", "text", content)]
    return [_responses_part(part) for part in content or []]


def _responses_part(part: JSONObject) -> Said:
    kind = part["type"]
    if kind in ("input_text", "output_text", "text"):
        return ("", "text", part["text"])
    if kind == "refusal":
        return ("", "refusal", part["refusal"])
    if kind == "input_image":
        if part.get("image_url"):
            return image_from(part["image_url"], part.get("detail") or "")
        return image_fact("file_id", part["file_id"], part.get("detail") or "")
    if kind == "input_audio":
        return audio_fact("data", part["input_audio"]["data"], part["input_audio"]["format"])
    if kind != "input_file":
        return ("", "opaque", kind)
    name = part.get("filename") or ""
    if data := part.get("file_data"):
        return fact_from_url(data, name=name) if data.startswith("data:") else media_fact("data", data, "", name)
    if part.get("file_url"):
        return document_fact("url", part["file_url"], "", name)
    return document_fact("file_id", part["file_id"], "", name)


def _responses_item(teller: Teller, role: str, item: JSONObject) -> None:
    kind = item.get("type") or ("message" if role else "item_reference")
    if kind == "message":
        parts = _responses_parts(item.get("content"))
        for _, what, *rest in parts:
            if what in ("text", "refusal"):
                teller.text(role, rest[0], what)
            else:
                teller.say(role, what, *rest)
        if role == "assistant" and not parts:
            teller.say(role, "opaque", kind)
    elif kind == "function_call":
        teller.call(item["call_id"], _flat(item), arguments_of(item["arguments"]))
    elif kind == "custom_tool_call":
        teller.call(item["call_id"], _flat(item), item["input"], "custom")
    elif kind in ("function_call_output", "custom_tool_call_output"):
        teller.result(item.get("call_id") or "", "", joined_texts(_responses_output(item["output"])))
    elif kind == "reasoning":
        words = [one["text"] for one in [*(item.get("summary") or []), *(item.get("content") or [])]]
        if words or item.get("encrypted_content"):  # else it only names what the upstream keeps
            teller.say("assistant", "thought", "\n\n".join(words), bool(item.get("encrypted_content")))
    else:
        teller.say("user" if kind.endswith(("_output", "_response")) else "assistant", "opaque", kind)


def _responses_output(output: Any) -> list[Said]:
    """Codex puts a list with images into the text."""
    if isinstance(output, str) and output.startswith("[") and '"input_image"' in output:
        output = json.loads(output)
    return _responses_parts(output)
