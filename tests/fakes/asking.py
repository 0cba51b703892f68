"""What a chat request asks, read without ccproxy's code: the request judge's own, plain reading of each protocol.

A `Wish` has no spellings: who said what in which order, which result answers which call, what may be called, how to answer.
Texts of one speaker that stand side by side are one text with JOINT between them, since protocols put them together
differently; within each piece every character counts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from attrs import define, field

JSONObject = dict[str, Any]

JOINT = "\u241e"

Said = tuple[Any, ...]
"""(speaker, kind, ...). Kinds: text, refusal, thought, image, audio, document, call, result, opaque; proof is a signature
alone."""

Wanted = tuple[str, str, Any, bool, str]
"""A tool: name, description, schema, strict, kind; a server tool: ("", its name, None, False, "server")."""


@define(kw_only=True)
class Wish:
    """system, said: the words before and in the conversation. tools, choice, parallel: what may be called. settings: what
    else was set, by the word that the table in `tests/protocols/middle.py` has for it; absent is unsaid. marks: how many
    cache marks there are. own: names of what this protocol alone knows, on the request."""

    system: str = ""
    said: list[Said] = field(factory=list)
    tools: list[Wanted] = field(factory=list)
    choice: Any = None
    parallel: bool = True
    settings: JSONObject = field(factory=dict)
    marks: int = 0
    own: list[str] = field(factory=list)


class _Teller:
    """Gathers what is said. Calls are numbered as they come; a result knows its call's number, whatever tells it."""

    def __init__(self) -> None:
        self.wish = Wish()
        self._calls: list[tuple[str, str]] = []  # (id, name)
        self._open: list[int] = []

    def text(self, speaker: str, text: str | None, kind: str = "text") -> None:
        if text and text.strip():
            _add_text(self.wish.said, speaker, kind, text)

    def say(self, speaker: str, *fact: Any) -> None:
        self.wish.said.append((speaker, *fact))

    def call(self, id: str, name: str, arguments: Any, kind: str = "function") -> None:
        self._open.append(len(self._calls))
        self.say("assistant", "call", len(self._calls), name, arguments, kind)
        self._calls.append((id, name))

    def result(self, id: str, name: str, parts: list[Said], failed: bool = False) -> None:
        fitting = [n for n in self._open if id and self._calls[n][0] == id]
        fitting = fitting or [n for n in self._open if name and self._calls[n][1] == name] or self._open
        number = fitting[0] if fitting else None
        if number is not None:
            self._open.remove(number)
        self.say("tool", "result", number, parts, failed)

    def mark(self, *objects: Any) -> None:
        said = [one for one in objects if isinstance(one, dict) and one.get("text") != ""]
        self.wish.marks += sum(bool(one.get("cache_control")) for one in said)

    def end(self, document: JSONObject, known: str) -> Wish:
        """The other members of the document are the protocol's own."""
        wish = self.wish
        told = {"model", *known.split()}
        wish.own += sorted(
            key for key, value in document.items() if key not in told and value not in (None, {}, [], "", False)
        )
        callable_ = [tool for tool in wish.tools if tool[4] != "server"]
        wish.choice = (wish.choice or "auto") if callable_ else None
        wish.parallel = wish.parallel or not callable_
        return wish

    def set(self, **settings: Any) -> None:
        for name, value in settings.items():
            if value not in (None, [], "", {}):
                self.wish.settings[name.replace("__", ".")] = value


def _add_text(said: list[Said], speaker: str, kind: str, text: str) -> None:
    if said and said[-1][:2] == (speaker, kind):
        said[-1] = (speaker, kind, said[-1][2] + JOINT + text)
    else:
        said.append((speaker, kind, text))


def _texts(parts: list[Said]) -> list[Said]:
    """Parts of a result, texts side by side as one."""
    joined: list[Said] = []
    for part in parts:
        if part[1] == "text":
            if part[2]:
                _add_text(joined, *part)
        else:
            joined.append(part)
    return joined


# ---------------------------------------------------------------------------------------------------------------------
# What all protocols write in some way

_BEGINNINGS = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}


def _image(source: str, value: str, detail: str = "") -> Said:
    return ("", "image", source, value, detail if detail != "auto" else "")


def _image_from(url: str, detail: str = "") -> Said:
    return _image("data", url.partition(",")[2], detail) if url.startswith("data:") else _image("url", url, detail)


def _audio(source: str, value: str, format: str) -> Said:
    return ("", "audio", source, value, {"mpeg": "mp3", "x-wav": "wav"}.get(format, format))


def _document(source: str, value: str, mime: str, name: str = "") -> Said:
    """A text in base64 is a text."""
    if source == "data" and mime.startswith("text/"):
        return ("", "document", "text", base64.b64decode(value).decode(), "text", name)
    if source == "data" and value.startswith("JVBERi0"):
        mime = "application/pdf"
    mime = "" if mime == "application/octet-stream" else mime
    return ("", "document", source, value, "video" if mime.startswith("video/") else mime if source == "data" else "", name)


def _media(source: str, value: str, mime: str, name: str = "", detail: str = "") -> Said:
    if mime.startswith("image/"):
        return _image(source, value, detail)
    if mime.startswith("audio/"):
        return _audio(source, value, mime.removeprefix("audio/"))
    return _document(source, value, mime, name)


def _from_url(url: str, kind: str = "", name: str = "", detail: str = "") -> Said:
    """kind: what the place says that it is, where it is no data URL."""
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        mime = head[5:].split(";")[0]
        return _media("data", data, mime, name, detail)
    return _media("url", url, kind, name, detail)


def _arguments(value: Any) -> str:
    """The arguments as text with their key order; text that is no JSON object as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            return str(value)
    return json.dumps(value or {}, ensure_ascii=False)


def schema_of(schema: Any, root: Any = None, seen: tuple[str, ...] = ()) -> Any:
    """What a schema says: references followed, no empty `properties`, types in lower case, null as a type."""
    if not isinstance(schema, dict):
        return schema
    root = schema if root is None else root
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and reference not in seen:
        found: Any = root
        for step in reference[2:].split("/"):
            found = found[step]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return schema_of({**found, **rest}, root, (*seen, reference))
    made: JSONObject = {}
    for key, value in schema.items():
        if key in ("$defs", "definitions", "$schema"):
            continue
        if key in ("properties", "patternProperties"):
            inner = {name: schema_of(one, root, seen) for name, one in value.items()} if value else {}
            made |= {key: inner} if inner else {}
        elif key in ("items", "additionalProperties", "not"):
            made[key] = schema_of(value, root, seen)
        elif key in ("anyOf", "any_of", "oneOf", "allOf"):
            made["anyOf" if key == "any_of" else key] = [schema_of(one, root, seen) for one in value]
        elif key == "type":
            made[key] = value.lower() if isinstance(value, str) else value
        elif key == "nullable":
            made |= {"nullable": True} if value else {}
        else:
            made[key] = value
    if isinstance(made.get("type"), list) and "null" in made["type"] and len(made["type"]) == 2:
        made |= {"type": next(one for one in made["type"] if one != "null"), "nullable": True}
    if made.get("nullable") and None in (made.get("enum") or []):
        made["enum"] = [one for one in made["enum"] if one is not None]
    return made


def _parameters(schema: Any) -> Any:
    """A schema at its root; a tool without one takes nothing."""
    said = schema_of(schema or {})
    return said if said.keys() & {"type", "anyOf", "oneOf", "allOf"} else {"type": "object", **said}


def _effort(budget: int | None, effort: str | None = None) -> str | None:
    """Budgets and efforts by one measure (Google's "OpenAI compatibility" has the budgets of the efforts)."""
    if effort is not None:
        return {"minimal": "low", "xhigh": "high", "max": "high"}.get(effort, effort)
    if budget is None or budget < 0:
        return None
    return "none" if budget == 0 else "low" if budget <= 4096 else "medium" if budget <= 16384 else "high"


def _thinks(on: bool | None, effort: str | None) -> Any:
    """None, "off", "on", how hard, or elsewhere "adaptive"."""
    if on is False or effort == "none":
        return "off"
    return effort or ("on" if on else None)


# ---------------------------------------------------------------------------------------------------------------------
# OpenAI (API reference, "Create chat completion")


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
        return _image_from(image["url"], image.get("detail") or "")
    if kind == "input_audio":
        data, format = part["input_audio"]["data"], part["input_audio"].get("format") or ""
        return _from_url(data, f"audio/{format}") if ":" in data[:8] else _audio("data", data, format)
    if kind == "file":
        file = part["file"]
        data, name = file.get("file_data"), file.get("filename") or ""
        if not data:
            return _document("file_id", file["file_id"], "", name)
        return _from_url(data, name=name) if ":" in data[:8] else _media("data", data, "", name)
    if kind == "thinking":
        return ("", "thought", "".join(one.get("text", "") for one in part["thinking"]), False)
    return ("", "opaque", kind)


def openai(document: JSONObject, stream: bool | None) -> Wish:
    teller = _Teller()
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
            teller.result(message.get("tool_call_id") or "", message.get("name") or "", _texts(parts))
        else:
            _openai_message(teller, role, message, parts)
    wish.system = JOINT.join(system)
    _openai_tools(teller, document)
    _openai_settings(teller, document)
    teller.set(stream=bool(document.get("stream")))
    known = "messages tools functions tool_choice function_call parallel_tool_calls stream stream_options"
    return teller.end(document, f"{known} {_OPENAI_SET}")


def _openai_message(teller: _Teller, role: str, message: JSONObject, parts: list[Said]) -> None:
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
            teller.call(call["id"], call["function"]["name"], _arguments(call["function"].get("arguments") or ""))
    if legacy := message.get("function_call"):
        teller.call("", legacy["name"], _arguments(legacy.get("arguments") or ""))


def _openai_tools(teller: _Teller, document: JSONObject) -> None:
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
            schema, strict = _parameters(body.get("parameters")), bool(body.get("strict"))
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


def _openai_settings(teller: _Teller, document: JSONObject) -> None:
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
        format=_openai_format(document.get("response_format"), "json_schema"),
    )
    more = document.get("reasoning")
    more = more if isinstance(more, dict) else {}
    effort = document.get("reasoning_effort") or more.get("effort")
    if effort not in (None, *_EFFORTS):  # some vendor's word
        teller.wish.own.append("reasoning_effort")
        effort = None
    shown = bool(more) and more.get("enabled") is not False and not more.get("exclude")  # OpenRouter, "Reasoning tokens"
    hidden = more.get("exclude") is True
    thinking = _thinks(more.get("enabled"), _effort(more.get("max_tokens"), effort))
    teller.set(thinking=thinking, shown=shown or None, hidden=hidden or None, none=effort == "none" or None)


def _openai_format(said: Any, inside: str) -> Any:
    kind = said.get("type") if isinstance(said, dict) else None
    if kind == "json_object":
        return ("json",)
    if kind != "json_schema":
        return None
    body = said.get(inside, said)
    schema = _parameters(body["schema"]) if body.get("schema") else None
    return ("json_schema", schema, body.get("name") or "", body.get("description") or "", bool(body.get("strict")))


# ---------------------------------------------------------------------------------------------------------------------
# Responses (API reference, "Create a model response")

_RESPONSES_SET = """instructions input tools tool_choice parallel_tool_calls stream temperature top_p max_output_tokens user
    safety_identifier metadata store top_logprobs text reasoning stream_options"""


def responses(document: JSONObject, stream: bool | None) -> Wish:
    teller = _Teller()
    wish = teller.wish
    system = [document["instructions"]] if document.get("instructions") else []
    given = document.get("input") or []
    leading = True
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
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
        format=_openai_format(text.get("format"), "none"),
        thinking=_thinks(None, _effort(None, more.get("effort"))),
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
    schema, strict = _parameters(tool.get("parameters")), tool.get("strict") is True
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
            return _image_from(part["image_url"], part.get("detail") or "")
        return _image("file_id", part["file_id"], part.get("detail") or "")
    if kind == "input_audio":
        return _audio("data", part["input_audio"]["data"], part["input_audio"]["format"])
    if kind != "input_file":
        return ("", "opaque", kind)
    name = part.get("filename") or ""
    if data := part.get("file_data"):
        return _from_url(data, name=name) if data.startswith("data:") else _media("data", data, "", name)
    if part.get("file_url"):
        return _document("url", part["file_url"], "", name)
    return _document("file_id", part["file_id"], "", name)


def _responses_item(teller: _Teller, role: str, item: JSONObject) -> None:
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
        teller.call(item["call_id"], _flat(item), _arguments(item["arguments"]))
    elif kind == "custom_tool_call":
        teller.call(item["call_id"], _flat(item), item["input"], "custom")
    elif kind in ("function_call_output", "custom_tool_call_output"):
        teller.result(item.get("call_id") or "", "", _texts(_responses_output(item["output"])))
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


# ---------------------------------------------------------------------------------------------------------------------
# Claude (API reference, "Create a Message")

_CLAUDE_SET = """system messages tools tool_choice max_tokens temperature top_p top_k stop_sequences stream thinking
    output_config output_format metadata"""


def claude(document: JSONObject, stream: bool | None) -> Wish:
    teller = _Teller()
    wish = teller.wish
    system = document.get("system") or []
    system = [{"type": "text", "text": system}] if isinstance(system, str) else system
    teller.mark(document, *system, *(document.get("tools") or []))
    texts = [block["text"] for block in system]
    leading = True
    for message in document["messages"]:
        content = message["content"]
        role = message["role"]
        leading = leading and role == "system"
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if leading:
                texts.append(block["text"])
            else:
                _claude_block(teller, role, block)
    wish.system = JOINT.join(text for text in texts if text)
    wish.tools = [_claude_tool(tool) for tool in document.get("tools") or []]
    choice = document.get("tool_choice") or {}
    named = {"any": "required", "tool": ("tool", choice.get("name"))}
    wish.choice = named.get(choice.get("type", ""), choice.get("type"))
    wish.parallel = choice.get("disable_parallel_tool_use") is not True
    _claude_settings(teller, document)
    known = _CLAUDE_SET if set(document.get("metadata") or {}) <= {"user_id"} else _CLAUDE_SET.replace("metadata", "")
    return teller.end(document, f"{known} cache_control")


def _claude_tool(tool: JSONObject) -> Wanted:
    if tool.get("type", "custom") != "custom":
        return ("", tool["type"], None, False, "server")
    schema = _parameters(tool.get("input_schema"))
    return (tool["name"], tool.get("description") or "", schema, bool(tool.get("strict")), "function")


def _claude_settings(teller: _Teller, document: JSONObject) -> None:
    thinking = document.get("thinking") or {}
    config = document.get("output_config") or {}
    format = config.get("format") or document.get("output_format")
    on = {"enabled": True, "adaptive": True, "disabled": False}.get(thinking.get("type", ""))
    effort = _effort(thinking.get("budget_tokens"), config.get("effort")) if on is not False else None
    teller.set(
        sampling__temperature=document.get("temperature"),
        sampling__top_p=document.get("top_p"),
        sampling__top_k=document.get("top_k"),
        sampling__max_tokens=document.get("max_tokens"),
        sampling__stop=document.get("stop_sequences"),
        user=(document.get("metadata") or {}).get("user_id"),
        thinking=_thinks(on, effort) if thinking.get("type") != "adaptive" else effort or "adaptive",
        shown=(on and thinking.get("display") != "omitted") or None,
        hidden=(on and thinking.get("display") == "omitted") or None,
        format=("json_schema", _parameters(format["schema"]), "", "", False) if format else None,
        stream=bool(document.get("stream")),
    )


def _claude_block(teller: _Teller, role: str, block: JSONObject) -> None:
    kind = block["type"]
    teller.mark(block)
    if kind == "text":
        teller.text(role, block["text"])
    elif kind == "thinking":
        teller.say(role, "thought", block["thinking"], bool(block.get("signature")))
    elif kind == "redacted_thinking":
        teller.say(role, "thought", "", True)
    elif kind == "tool_use":
        teller.call(block["id"], block["name"], _arguments(block["input"]))
    elif kind == "tool_result":
        content = block.get("content") or []
        inside = [{"type": "text", "text": content}] if isinstance(content, str) else content
        teller.mark(*inside)
        parts = _texts([_claude_media(one) for one in inside])
        teller.result(block["tool_use_id"], "", parts, bool(block.get("is_error")))
    else:
        teller.say(role, *_claude_media(block)[1:])


def _claude_media(block: JSONObject) -> Said:
    kind = block["type"]
    if kind == "text":
        return ("", "text", block["text"])
    if kind == "search_result":
        text = "\n".join(one["text"] for one in block["content"])
        return ("", "document", "text", text, "text", block.get("title") or "")
    if kind not in ("image", "document"):
        return ("", "opaque", kind)
    source, name = block["source"], block.get("title") or ""
    value = source.get("data") or source.get("url") or source.get("file_id")
    where = {"base64": "data", "file": "file_id"}.get(source["type"], source["type"])
    if kind == "image":
        return _image(where, value)
    if where in ("text", "content"):
        content = source.get("data") or source["content"]
        text = content if isinstance(content, str) else "\n".join(one["text"] for one in content)
        return ("", "document", "text", text, "text", name)
    return _document(where, value, source.get("media_type") or "", name)


# ---------------------------------------------------------------------------------------------------------------------
# Gemini (API reference, "Method: models.generateContent"); keys in camelCase or snake_case

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
    teller = _Teller()
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
    schema = _parameters(tool.get("parametersJsonSchema") or tool.get("parameters"))
    return (tool["name"], tool.get("description") or "", schema, False, "function")


def _gemini_settings(teller: _Teller, config: JSONObject) -> None:
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
        format=("json_schema", _parameters(schema), "", "", False)
        if schema
        else ("json",)
        if mime == "application/json"
        else None,
        thinking="adaptive" if budget == -1 else _thinks(on, _effort(budget, level and level.lower())),
        shown=shown or None,
        hidden=not shown or None,
        n=count if count != 1 else None,
        logprobs=wanted if config.pop("responseLogprobs", False) else None,
    )
    teller.wish.own += [f"generationConfig.{key}" for key in config]


def _gemini_part(teller: _Teller, role: str, part: JSONObject) -> None:
    signed = role == "assistant" and bool(part.get("thoughtSignature"))
    if part.get("thought"):
        teller.say(role, "thought", part.get("text") or "", signed)
        return
    if signed:
        teller.say(role, "proof")
    if "functionCall" in part:
        call = part["functionCall"]
        teller.call(call.get("id") or "", call["name"], _arguments(call.get("args")))
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
    return _texts(parts), only == "error"


def _gemini_media(blob: JSONObject) -> Said:
    mime, name = blob.get("mimeType") or "", blob.get("displayName") or ""
    if "fileUri" in blob:
        return _media("url", blob["fileUri"], mime, name)
    data = blob["data"].replace("-", "+").replace("_", "/")
    return _media("data", data + "=" * (-len(data) % 4), mime, name)


# ---------------------------------------------------------------------------------------------------------------------
# Ollama (docs.ollama.com, "Generate a chat message")

_OLLAMA_SAMPLING = {"repeat_penalty": "repeat_penalty", "num_predict": "max_tokens"} | {
    name: name
    for name in ("temperature", "top_p", "top_k", "min_p", "seed", "frequency_penalty", "presence_penalty", "stop")
}


def ollama(document: JSONObject, stream: bool | None) -> Wish:
    teller = _Teller()
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
        schema = _parameters(body.get("parameters"))
        wish.tools.append((body["name"], body.get("description") or "", schema, False, "function"))
    options = dict(document.get("options") or {})
    for key, name in _OLLAMA_SAMPLING.items():
        value = options.pop(key, None)
        teller.set(**{f"sampling__{name}": [value] if key == "stop" and isinstance(value, str) else value})
    format, think = document.get("format"), document.get("think")
    teller.set(
        format=("json",) if format == "json" else ("json_schema", _parameters(format), "", "", False) if format else None,
        thinking=_thinks(think if isinstance(think, bool) else None, think if isinstance(think, str) else None),
        shown=bool(think) or None,
        logprobs=(document.get("top_logprobs") or 0) if document.get("logprobs") else None,
        stream=document.get("stream") is not False,
    )
    wish = teller.end(document, "messages tools options format think stream logprobs top_logprobs")
    wish.own += [f"options.{key}" for key in options]
    return wish


def _ollama_message(teller: _Teller, message: JSONObject) -> None:
    role, text = message["role"], message.get("content") or ""
    images = [_image("data", one.rpartition(",")[2]) for one in message.get("images") or []]
    if role == "tool":
        parts = _texts([*images, ("", "text", text)])
        teller.result(message.get("tool_call_id") or "", message.get("tool_name") or "", parts)
        return
    if message.get("thinking"):
        teller.say(role, "thought", message["thinking"], False)
    for image in images:
        teller.say(role, *image[1:])
    teller.text(role, text)
    for call in message.get("tool_calls") or []:
        teller.call(call.get("id") or "", call["function"]["name"], _arguments(call["function"].get("arguments")))


READERS: dict[str, Callable[[JSONObject, bool | None], Wish]] = {
    "openai": openai,
    "responses": responses,
    "claude": claude,
    "gemini": gemini,
    "ollama": ollama,
}


def wish_of(protocol: str, document: JSONObject, stream: bool | None = None) -> Wish:
    """What the document asks. stream: what the path says about it, where the protocol says it there."""
    return READERS[protocol](document, stream)
