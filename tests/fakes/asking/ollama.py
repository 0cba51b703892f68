"""Ollama (docs.ollama.com, "Generate a chat message")."""

from __future__ import annotations

from tests.fakes.asking.wishes import (
    JOINT,
    JSONObject,
    Teller,
    Wish,
    arguments_of,
    image_fact,
    joined_texts,
    parameters_of,
    thinking_of,
)

_OLLAMA_SAMPLING = {"repeat_penalty": "repeat_penalty", "num_predict": "max_tokens"} | {
    name: name
    for name in ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "stop")
}


def ollama(document: JSONObject, stream: bool | None) -> Wish:
    teller = Teller()
    wish = teller.wish
    system: list[str] = []
    leading = True
    for message in document["messages"]:
        leading = leading and message["role"] == "system"
        if leading:
            system.append(message.get("content") or "")
        else:
            _ollama_message(teller, message)
    wish.system = JOINT.join(text for text in system if text)
    for tool in document.get("tools") or []:
        body = tool["function"]
        schema = parameters_of(body.get("parameters"))
        wish.tools.append((body["name"], body.get("description") or "", schema, False, "function"))
    options = dict(document.get("options") or {})
    for key, name in _OLLAMA_SAMPLING.items():
        value = options.pop(key, None)
        teller.set(**{f"sampling__{name}": [value] if key == "stop" and isinstance(value, str) else value})
    format, think = document.get("format"), document.get("think")
    teller.set(
        format=("json",) if format == "json" else ("json_schema", parameters_of(format), "", "", False) if format else None,
        thinking=thinking_of(think if isinstance(think, bool) else None, think if isinstance(think, str) else None),
        shown=bool(think) or None,
        logprobs=(document.get("top_logprobs") or 0) if document.get("logprobs") else None,
        stream=document.get("stream") is not False,
    )
    wish = teller.end(document, "messages tools options format think stream logprobs top_logprobs")
    wish.own += [f"options.{key}" for key in options]
    return wish


def _ollama_message(teller: Teller, message: JSONObject) -> None:
    role, text = message["role"], message.get("content") or ""
    images = [image_fact("data", one.rpartition(",")[2]) for one in message.get("images") or []]
    if role == "tool":
        parts = joined_texts([*images, ("", "text", text)])
        teller.result(message.get("tool_call_id") or "", message.get("tool_name") or "", parts)
        return
    if message.get("thinking"):
        teller.say(role, "thought", message["thinking"], False)
    for image in images:
        teller.say(role, *image[1:])
    teller.text(role, text)
    for call in message.get("tool_calls") or []:
        teller.call(call.get("id") or "", call["function"]["name"], arguments_of(call["function"].get("arguments")))
