"""Gemini (API reference, "Method: models.generateContent"); keys in camelCase or snake_case."""

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
    effort_of,
    joined_texts,
    media_fact,
    parameters_of,
    thinking_of,
)

_GEMINI_SET = "contents systemInstruction tools toolConfig generationConfig"
_GEMINI_SAMPLING = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
}


def _camel(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    return {"".join([key.split("_")[0], *(w.title() for w in key.split("_")[1:])]): value for key, value in raw.items()}


def gemini(document: JSONObject, stream: bool | None) -> Wish:
    teller = Teller()
    wish = teller.wish
    document = _camel(document)
    system = document.get("systemInstruction") or {}
    parts = [{"text": system}] if isinstance(system, str) else system.get("parts") or []
    wish.system = JOINT.join(part["text"] for part in ([parts] if isinstance(parts, dict) else parts) if part.get("text"))
    contents = document["contents"]
    for content in [contents] if isinstance(contents, dict) else contents:
        role = "assistant" if content.get("role") == "model" else "user"
        inside = content.get("parts") or []
        for part in [inside] if isinstance(inside, dict) else inside:
            _gemini_part(teller, role, _camel(part))
    for tool in map(_camel, document.get("tools") or []):
        wish.tools += [_gemini_tool(_camel(one)) for one in tool.pop("functionDeclarations", None) or []]
        wish.tools += [("", key, None, False, "server") for key in tool]
    config = _camel(document.get("toolConfig") or {})
    calling = _camel(config.pop("functionCallingConfig", None) or {})
    wish.choice = _gemini_choice(calling)
    _gemini_settings(teller, _camel(document.get("generationConfig") or {}))
    teller.set(stream=bool(stream))
    wish = teller.end(document, _GEMINI_SET)
    wish.own += [f"toolConfig.{key}" for key in config]
    return wish


def _gemini_choice(calling: JSONObject) -> Any:
    mode, names = (calling.get("mode") or "AUTO").upper(), tuple(calling.get("allowedFunctionNames") or ())
    if mode == "ANY" and len(names) == 1:
        return ("tool", names[0])
    word = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none"}[mode]
    return ("allowed", word, names) if names and word != "none" else word


def _gemini_tool(tool: JSONObject) -> Wanted:
    schema = parameters_of(tool.get("parametersJsonSchema") or tool.get("parameters"))
    return (tool["name"], tool.get("description") or "", schema, False, "function")


def _gemini_settings(teller: Teller, config: JSONObject) -> None:
    for key, name in _GEMINI_SAMPLING.items():
        teller.set(**{f"sampling__{name}": config.pop(key, None)})
    schema = config.pop("responseJsonSchema", None) or config.pop("responseSchema", None)
    mime = config.pop("responseMimeType", None)
    thinking = _camel(config.pop("thinkingConfig", None) or {})
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    on = True if budget or level else False if budget == 0 else None
    shown = thinking.get("includeThoughts") is True
    count = config.pop("candidateCount", 1)
    wanted = config.pop("logprobs", 0)
    teller.set(
        format=("json_schema", parameters_of(schema), "", "", False)
        if schema
        else ("json",)
        if mime == "application/json"
        else None,
        thinking="adaptive" if budget == -1 else thinking_of(on, effort_of(budget, level and level.lower())),
        shown=shown or None,
        hidden=not shown or None,
        n=count if count != 1 else None,
        logprobs=wanted if config.pop("responseLogprobs", False) else None,
    )
    teller.wish.own += [f"generationConfig.{key}" for key in config]


def _gemini_part(teller: Teller, role: str, part: JSONObject) -> None:
    signed = role == "assistant" and bool(part.get("thoughtSignature"))
    if part.get("thought"):
        teller.say(role, "thought", part.get("text") or "", signed)
        return
    if signed:
        teller.say(role, "proof")
    if "functionCall" in part:
        call = part["functionCall"]
        teller.call(call.get("id") or "", call["name"], arguments_of(call.get("args")))
    elif "functionResponse" in part:
        result = part["functionResponse"]
        inside, failed = _gemini_result(result)
        teller.result(result.get("id") or "", result.get("name") or "", inside, failed)
    elif blob := part.get("inlineData") or part.get("fileData"):
        teller.say(role, *_gemini_media(_camel(blob))[1:])
    elif "text" in part:
        teller.text(role, part["text"])
    else:
        teller.say(role, "opaque", next(iter(part), "nothing"))


def _gemini_result(result: JSONObject) -> tuple[list[Said], bool]:
    response = result.get("response") or {}
    only = next(iter(response)) if len(response) == 1 else ""
    value = response[only] if only in ("output", "result", "error") else response
    parts: list[Said] = [("", "text", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]
    for one in result.get("parts") or []:
        one = _camel(one)
        parts.append(_gemini_media(_camel(one.get("inlineData") or one.get("fileData"))))
    return joined_texts(parts), only == "error"


def _gemini_media(blob: JSONObject) -> Said:
    mime, name = blob.get("mimeType") or "", blob.get("displayName") or ""
    if "fileUri" in blob:
        return media_fact("url", blob["fileUri"], mime, name)
    data = blob["data"].replace("-", "+").replace("_", "/")
    return media_fact("data", data + "=" * (-len(data) % 4), mime, name)
