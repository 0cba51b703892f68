"""The parts of a request's messages for a Gemini upstream.

Gemini API reference, "Part"; "Thought signatures": a signature stands on the part that it signs, and the first function
call of each step must have one for Gemini 3; "Function calling", section "Multimodal function responses" (Gemini 3); "File
input methods": inline data, Files API, Cloud Storage and public https URLs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ccproxy.codec import jsontext
from ccproxy.errors import RequestError, Unsupported
from ccproxy.media import sniff, stand_in
from ccproxy.model import (
    JSON,
    Audio,
    Context,
    Document,
    Extras,
    Image,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Target,
    Text,
    ToolCall,
    ToolResult,
    arguments_object,
)
from ccproxy.notes import left_out
from ccproxy.protocols.gemini.grounding import are_facts
from ccproxy.protocols.gemini.options import below
from ccproxy.protocols.gemini.requests_in import result_parts
from ccproxy.protocols.gemini.wire import NAME, SKIP_VALIDATION, respell
from ccproxy.protocols.naming import fit_tool_name

_NAME_LIMIT = 128
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.:-]")
_FETCHED = ("https://", "http://", "gs://")
_MIMES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp4": "video/mp4",
    "mov": "video/mov",
    "webm": "video/webm",
}
_REFERENCES = frozenset({"$ref", "$defs"})


def own_extras(extras: Extras | None) -> Extras | None:
    """The extras, if they are of this protocol."""
    return extras if extras is not None and extras.origin == NAME else None


def wire_name(name: str, context: Context) -> str:
    """A tool's name as "FunctionDeclaration" allows it: letters, digits and `_.:-`, not a digit first, 128 at most."""
    if name[:1].isascii() and (name[:1].isalpha() or name[:1] == "_"):
        return fit_tool_name(name, context, _NOT_IN_NAMES, _NAME_LIMIT)
    wire = fit_tool_name(f"_{name}", context, _NOT_IN_NAMES, _NAME_LIMIT)
    context.tool_names[wire] = name
    return wire


class PartWriter:
    """Writes messages' parts. own: the request is a Gemini client's; then ids, names and empty texts stay as they are."""

    def __init__(self, target: Target, context: Context, own: bool) -> None:
        self._context = context
        self._own = own
        self._nests = "media_results" in target.traits.takes
        self._signs = "unsigned_calls" in target.traits.lacks
        self._names: dict[str, str] = {}  # a history has few names
        self._writers: dict[type[Part], Callable[[Any], Sequence[dict[str, JSON]]]] = {
            Text: self._text,
            Refusal: self._text,
            Image: self._media,
            Audio: self._media,
            Document: self._media,
            ToolCall: self._call,
            Opaque: self._opaque,
        }

    def parts(self, parts: list[Part]) -> list[dict[str, JSON]]:
        """The parts of one message (or of the system instruction)."""
        if parts and isinstance(parts[0], ToolResult):
            return self._results(parts)
        return self.contents([parts])[0]

    def contents(self, pieces: list[list[Part]]) -> list[list[dict[str, JSON]]]:
        """The parts of a message that stands in several contents."""
        contents = [self._written(parts) for parts in pieces]
        self._validate([part for parts in contents for part in parts])
        return contents

    def _written(self, parts: list[Part]) -> list[dict[str, JSON]]:
        written: list[dict[str, JSON]] = []
        pending = ""  # a signature that waits for the part it stands on
        foreign = False  # a signature of another maker was just left out
        for part in parts:
            if isinstance(part, Reasoning):
                if pending:  # it is an earlier thought's
                    written.append({"text": "", "thoughtSignature": pending})
                thought, pending, foreign = self._reasoning(part)
                written += thought
                continue
            if foreign and isinstance(part, Text) and not part.text:
                foreign = False
                continue  # it was there for the signature only
            made = [dict(one) for one in self._writers[type(part)](part)]
            if made and pending:
                made[0] = respell({**made[0], "thoughtSignature": pending}, _snake_signature(part))
                pending = ""
            written += made
        if pending:
            written.append({"text": "", "thoughtSignature": pending})
        return written

    def _reasoning(self, part: Reasoning) -> tuple[list[dict[str, JSON]], str, bool]:
        """(the thought's part, the signature that waits now, whether one of another maker was left out)."""
        extras = own_extras(part.extras)
        ours = part.signature if part.origin == NAME else ""
        foreign = bool(part.signature or part.redacted) and not ours
        if foreign and not part.text:
            self._context.note("a thought that only its maker can read was left out")
        thought: dict[str, JSON] = {"text": part.text, "thought": True}
        if extras is not None:
            signed = "signed" in extras.shape.split()
            if signed and ours:
                thought["thoughtSignature"] = ours
            written = [respell(thought | extras.fields, extras.shape)]
            return written, "" if signed else ours, foreign
        return [thought] if part.text or (self._own and not ours and not foreign) else [], ours, foreign

    def _validate(self, written: list[dict[str, JSON]]) -> None:
        """Newer models refuse a step whose first function call has no signature; calls of other models never have one."""
        first = next((part for part in written if "functionCall" in part or "function_call" in part), None)
        if self._signs and first is not None and not {"thoughtSignature", "thought_signature"} & first.keys():
            first["thoughtSignature"] = SKIP_VALIDATION
            self._context.note("a function call without its signature was sent with a mark that stands in for it")

    # -- one part

    def _text(self, part: Any) -> Sequence[dict[str, JSON]]:
        return [_with_extras({"text": part.text}, part)] if part.text or self._own else []

    def _call(self, part: Any) -> Sequence[dict[str, JSON]]:
        if not self._own:
            return [{"functionCall": {"name": self._name(part.name), "args": arguments_object(part)}}]
        extras = own_extras(part.extras) or Extras(NAME)
        words = extras.shape.split()
        call: dict[str, JSON] = {"name": part.name, **extras.fields.get("functionCall", {})}
        arguments = arguments_object(part)
        if arguments or "noargs" not in words:
            call["args"] = arguments
        if "noid" not in words:
            call["id"] = part.id
        return [_with_extras({"functionCall": call}, part, "functionCall")]

    def _opaque(self, part: Any) -> Sequence[dict[str, JSON]]:
        if part.origin == NAME and isinstance(part.raw, dict):
            return [] if are_facts(part.raw) else [part.raw]
        left_out(part, self._context, "part")
        return []

    def _media(self, part: Any) -> Sequence[dict[str, JSON]]:
        media: Media = part
        if media.data is not None:
            return [_with_extras(_inline(media), media, "inlineData")]
        if media.text is not None:
            title = f"{media.name}\n" if media.name else ""
            return [{"text": f"{title}{media.text}"}] if media.text else []
        if media.url is None:
            self._context.note("a file that is known by its id was left out: the id means nothing to this upstream")
            return [{"text": stand_in(media, NAME).text}]
        if not own_extras(media.extras) and not self._own and not media.url.startswith(_FETCHED):
            raise Unsupported("a media URL", NAME, "only http, https and gs URLs can be fetched")
        return [_with_extras(_file(media, guess=not self._own), media, "fileData")]

    def _name(self, name: str) -> str:
        if self._own:
            return name
        wire = self._names.get(name)
        if wire is None:
            wire = self._names[name] = wire_name(name, self._context)
        return wire

    # -- results of tools

    def _results(self, parts: list[Part]) -> list[dict[str, JSON]]:
        """The responses, and behind them the media that their model does not take inside."""
        written: list[dict[str, JSON]] = []
        beside: list[dict[str, JSON]] = []
        for part in parts:
            if isinstance(part, ToolResult):
                written.append(self._own_result(part) or self._result(part, beside))
        return written + beside

    def _own_result(self, part: ToolResult) -> dict[str, JSON] | None:
        """The response as it was read, unless it has been changed since."""
        extras = own_extras(part.extras)
        raw = extras.fields.get("functionResponse") if extras else None
        if extras is None or raw is None:
            return None
        try:
            unchanged = result_parts(raw, "") == (part.parts, part.is_error)
        except RequestError:
            return None
        return respell(extras.fields, extras.shape) if unchanged else None

    def _result(self, part: ToolResult, beside: list[dict[str, JSON]]) -> dict[str, JSON]:
        texts = [one.text for one in part.parts if isinstance(one, (Text, Refusal))]
        inside: list[dict[str, JSON]] = []
        for one in part.parts:
            if isinstance(one, Media):
                for made in self._media(one):
                    self._place_media(made, part, texts, inside, beside)
            elif not isinstance(one, (Text, Refusal)):
                self._context.note("a part of a tool result that only its own protocol knows was left out")
        response: dict[str, JSON] = {"name": self._name(part.name), "response": _response(texts, part.is_error)}
        if inside:
            response["parts"] = inside
        extras = own_extras(part.extras)
        if extras and (id := extras.fields.get("functionResponse", {}).get("id")):
            response["id"] = id
        return {"functionResponse": response}

    def _place_media(
        self,
        made: dict[str, JSON],
        part: ToolResult,
        texts: list[str],
        inside: list[dict[str, JSON]],
        beside: list[dict[str, JSON]],
    ) -> None:
        if "text" in made:
            texts.append(made["text"])
        elif self._nests and "inlineData" in made:
            inside.append(made)
        else:
            beside += [{"text": f"[From the result of {part.name or 'the tool'}:]"}, made]


def _response(texts: list[str], failed: bool) -> dict[str, JSON]:
    """The object that "FunctionResponse" demands: the text itself where it is a JSON object. A schema's references would be
    taken for the names of media ("Multimodal function responses"), so what holds any stays text."""
    text = "\n".join(texts)
    if failed:
        return {"error": text}
    if text.lstrip().startswith("{"):
        try:
            value = jsontext.loads_exact(text)
        except jsontext.JSONError:
            return {"result": text}
        if isinstance(value, dict) and not _refers(value):
            return value
    return {"result": text}


def _refers(value: Any) -> bool:
    """Whether `$ref` or `$defs` is a key anywhere in a decoded document."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if _REFERENCES & one.keys():
                return True
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _inline(media: Media) -> dict[str, JSON]:
    extras = own_extras(media.extras)
    words = extras.shape.split() if extras else []
    data = media.data or ""
    if "nopad" in words:
        data = data.rstrip("=")
    if "urlsafe" in words:
        data = data.replace("+", "-").replace("/", "_")
    blob: dict[str, JSON] = {"data": data}
    mime = media.mime or ("" if extras else sniff(data))
    return {"inlineData": _blob(blob, media, mime, extras, "inlineData")}


def _file(media: Media, *, guess: bool) -> dict[str, JSON]:
    extras = own_extras(media.extras)
    blob: dict[str, JSON] = {"fileUri": media.url}
    ending = (media.url or "").partition("?")[0].rpartition(".")[2].lower()
    mime = media.mime or (_MIMES.get(ending, "") if guess else "")
    return {"fileData": _blob(blob, media, mime, extras, "fileData")}


def _blob(blob: dict[str, JSON], media: Media, mime: str, extras: Extras | None, key: str) -> dict[str, JSON]:
    if mime:
        blob["mimeType"] = mime
    if extras is None:
        return blob
    if media.name:
        blob["displayName"] = media.name
    return respell(blob | extras.fields.get(key, {}), below(extras.shape, key))


def _with_extras(document: dict[str, JSON], part: Part, inner: str = "") -> dict[str, JSON]:
    """`document` with what its part said beyond the model; `inner` is the key whose rest has been used already."""
    extras = own_extras(part.extras)
    if extras is None:
        return document
    rest = {key: value for key, value in extras.fields.items() if key != inner}
    return respell(document | rest, extras.shape)


def _snake_signature(part: Part) -> str:
    extras = own_extras(part.extras)
    return "thoughtSignature" if extras and "thoughtSignature" in extras.shape.split() else ""
