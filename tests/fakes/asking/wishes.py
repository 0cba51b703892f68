"""What a chat request asks, and what the readings of all protocols share.

A `Wish` has no spellings: who said what in which order, which result answers which call, what may be called, how to answer.
Texts of one speaker that stand side by side are one text with JOINT between them, since protocols put them together
differently; within each piece every character counts.
"""

from __future__ import annotations

import base64
import json
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


class Teller:
    """Gathers what is said. Calls are numbered as they come; a result knows its call's number, whatever tells it."""

    def __init__(self) -> None:
        self.wish = Wish()
        self._calls: list[tuple[str, str]] = []  # (id, name)
        self._open: list[int] = []

    def text(self, speaker: str, text: str | None, kind: str = "text") -> None:
        if text and text.strip():
            add_text(self.wish.said, speaker, kind, text)

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


def add_text(said: list[Said], speaker: str, kind: str, text: str) -> None:
    if said and said[-1][:2] == (speaker, kind):
        said[-1] = (speaker, kind, said[-1][2] + JOINT + text)
    else:
        said.append((speaker, kind, text))


def joined_texts(parts: list[Said]) -> list[Said]:
    """Parts of a result, texts side by side as one."""
    joined: list[Said] = []
    for part in parts:
        if part[1] == "text":
            if part[2]:
                add_text(joined, *part)
        else:
            joined.append(part)
    return joined


# ---------------------------------------------------------------------------------------------------------------------
# What all protocols write in some way

BEGINNINGS = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}


def image_fact(source: str, value: str, detail: str = "") -> Said:
    return ("", "image", source, value, detail if detail != "auto" else "")


def image_from(url: str, detail: str = "") -> Said:
    return image_fact("data", url.partition(",")[2], detail) if url.startswith("data:") else image_fact("url", url, detail)


def audio_fact(source: str, value: str, format: str) -> Said:
    return ("", "audio", source, value, {"mpeg": "mp3", "x-wav": "wav"}.get(format, format))


def document_fact(source: str, value: str, mime: str, name: str = "") -> Said:
    """A text in base64 is a text."""
    if source == "data" and mime.startswith("text/"):
        return ("", "document", "text", base64.b64decode(value).decode(), "text", name)
    if source == "data" and value.startswith("JVBERi0"):
        mime = "application/pdf"
    mime = "" if mime == "application/octet-stream" else mime
    return ("", "document", source, value, "video" if mime.startswith("video/") else mime if source == "data" else "", name)


def media_fact(source: str, value: str, mime: str, name: str = "", detail: str = "") -> Said:
    if mime.startswith("image/"):
        return image_fact(source, value, detail)
    if mime.startswith("audio/"):
        return audio_fact(source, value, mime.removeprefix("audio/"))
    return document_fact(source, value, mime, name)


def fact_from_url(url: str, kind: str = "", name: str = "", detail: str = "") -> Said:
    """kind: what the place says that it is, where it is no data URL."""
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        mime = head[5:].split(";")[0]
        return media_fact("data", data, mime, name, detail)
    return media_fact("url", url, kind, name, detail)


def arguments_of(value: Any) -> str:
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


def parameters_of(schema: Any) -> Any:
    """A schema at its root; a tool without one takes nothing."""
    said = schema_of(schema or {})
    return said if said.keys() & {"type", "anyOf", "oneOf", "allOf"} else {"type": "object", **said}


def effort_of(budget: int | None, effort: str | None = None) -> str | None:
    """Budgets and efforts by one measure (Google's "OpenAI compatibility" has the budgets of the efforts)."""
    if effort is not None:
        return {"minimal": "low", "xhigh": "high", "max": "high"}.get(effort, effort)
    if budget is None or budget < 0:
        return None
    return "none" if budget == 0 else "low" if budget <= 4096 else "medium" if budget <= 16384 else "high"


def thinking_of(on: bool | None, effort: str | None) -> Any:
    """None, "off", "on", how hard, or elsewhere "adaptive"."""
    if on is False or effort == "none":
        return "off"
    return effort or ("on" if on else None)


def format_of(said: Any, inside: str) -> Any:
    kind = said.get("type") if isinstance(said, dict) else None
    if kind == "json_object":
        return ("json",)
    if kind != "json_schema":
        return None
    body = said.get(inside, said)
    schema = parameters_of(body["schema"]) if body.get("schema") else None
    return ("json_schema", schema, body.get("name") or "", body.get("description") or "", bool(body.get("strict")))
