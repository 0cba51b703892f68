"""Claude (API reference, "Create a Message")."""

from __future__ import annotations

from tests.fakes.asking.wishes import (
    JOINT,
    JSONObject,
    Said,
    Teller,
    Wanted,
    Wish,
    arguments_of,
    document_fact,
    effort_of,
    image_fact,
    joined_texts,
    parameters_of,
    thinking_of,
)

_CLAUDE_SET = """system messages tools tool_choice max_tokens temperature top_p top_k stop_sequences stream thinking
    output_config output_format metadata"""


def claude(document: JSONObject, stream: bool | None) -> Wish:
    teller = Teller()
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
    schema = parameters_of(tool.get("input_schema"))
    return (tool["name"], tool.get("description") or "", schema, bool(tool.get("strict")), "function")


def _claude_settings(teller: Teller, document: JSONObject) -> None:
    thinking = document.get("thinking") or {}
    config = document.get("output_config") or {}
    format = config.get("format") or document.get("output_format")
    on = {"enabled": True, "adaptive": True, "disabled": False}.get(thinking.get("type", ""))
    effort = effort_of(thinking.get("budget_tokens"), config.get("effort")) if on is not False else None
    teller.set(
        sampling__temperature=document.get("temperature"),
        sampling__top_p=document.get("top_p"),
        sampling__top_k=document.get("top_k"),
        sampling__max_tokens=document.get("max_tokens"),
        sampling__stop=document.get("stop_sequences"),
        user=(document.get("metadata") or {}).get("user_id"),
        thinking=thinking_of(on, effort) if thinking.get("type") != "adaptive" else effort or "adaptive",
        shown=(on and thinking.get("display") != "omitted") or None,
        hidden=(on and thinking.get("display") == "omitted") or None,
        format=("json_schema", parameters_of(format["schema"]), "", "", False) if format else None,
        stream=bool(document.get("stream")),
    )


def _claude_block(teller: Teller, role: str, block: JSONObject) -> None:
    kind = block["type"]
    teller.mark(block)
    if kind == "text":
        teller.text(role, block["text"])
    elif kind == "thinking":
        teller.say(role, "thought", block["thinking"], bool(block.get("signature")))
    elif kind == "redacted_thinking":
        teller.say(role, "thought", "", True)
    elif kind == "tool_use":
        teller.call(block["id"], block["name"], arguments_of(block["input"]))
    elif kind == "tool_result":
        content = block.get("content") or []
        inside = [{"type": "text", "text": content}] if isinstance(content, str) else content
        teller.mark(*inside)
        parts = joined_texts([_claude_media(one) for one in inside])
        teller.result(block["tool_use_id"], "", parts, bool(block.get("is_error")))
    else:
        teller.say(role, *_claude_media(block)[1:])


def _claude_media(block: JSONObject) -> Said:
    kind = block["type"]
    if kind == "text":
        return ("", "text", block["text"])
    if kind == "tool_reference":
        return ("", "text", block["tool_name"])
    if kind == "search_result":
        text = "\n".join(one["text"] for one in block["content"])
        return ("", "document", "text", text, "text", block.get("title") or "")
    if kind not in ("image", "document"):
        return ("", "opaque", kind)
    source, name = block["source"], block.get("title") or ""
    value = source.get("data") or source.get("url") or source.get("file_id")
    where = {"base64": "data", "file": "file_id"}.get(source["type"], source["type"])
    if kind == "image":
        return image_fact(where, value)
    if where in ("text", "content"):
        content = source.get("data") or source["content"]
        text = content if isinstance(content, str) else "\n".join(one["text"] for one in content)
        return ("", "document", "text", text, "text", name)
    return document_fact(where, value, source.get("media_type") or "", name)
