"""Content parts, both ways.

API reference "Chat Completions", "Create chat completion", `messages[].content`: text, image_url, input_audio, file,
refusal. Mistral's thinking parts are thoughts; what some vendor alone knows (document_url, video_url) is Opaque. Media,
thoughts and refusals keep the object they were read from, which is what is written back.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy import media
from ccproxy.errors import RequestError
from ccproxy.model import (
    JSON,
    Audio,
    Document,
    Extras,
    Image,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
)
from ccproxy.protocols.openai.checks import a_list, a_text, an_object, extras_of, own, with_rest
from ccproxy.protocols.openai.reading import words_of
from ccproxy.protocols.openai.terms import NAME

RAW = "raw"
"""Shape of a part whose extras are the whole object it was read from."""


def read_content(content: JSON, where: str) -> list[Part]:
    """The parts of a message's content: text, a list, or nothing. An empty text says nothing."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    return [read_part(part, f"{where}[{number}]") for number, part in enumerate(a_list(content, where))]


def read_part(raw: JSON, where: str) -> Part:
    """One part of a content list. Raises RequestError."""
    if isinstance(raw, str):
        return Text(raw)
    part = an_object(raw, where)
    kind = a_text(part.get("type"), f"{where}.type")
    read = _READERS.get(kind)
    if read is None:
        return Opaque(NAME, raw)
    found = read(part, where)
    mark = part.get("cache_control")
    found.cache = mark if isinstance(mark, dict) else None
    return found


def write_content(parts: list[Part], as_list: bool) -> JSON:
    """One plain text as text unless `as_list`; else a list."""
    if not as_list and len(parts) == 1 and isinstance(text := parts[0], Text) and not text.cache and text.extras is None:
        return text.text
    return [write_part(part) for part in parts]


def write_part(part: Part) -> JSON:
    """One part for a content list. Parts of other protocols must have been adapted."""
    extras = own(part.extras)
    if extras.shape == RAW:
        return extras.fields
    return _WRITERS[type(part)](part)


def _raw(raw: dict[str, JSON]) -> Extras:
    return Extras(NAME, raw, RAW)


def _read_text(raw: dict[str, JSON], where: str) -> Part:
    text = a_text(raw.get("text"), f"{where}.text")
    known = ("type", "text", "cache_control") if isinstance(raw.get("cache_control"), dict) else ("type", "text")
    rest = {key: value for key, value in raw.items() if key not in known}
    return Text(text, extras=extras_of(rest))


def _read_image(raw: dict[str, JSON], where: str) -> Part:
    """`image_url` is an object, or for Mistral its URL."""
    image = raw.get("image_url")
    fields = {"url": image} if isinstance(image, str) else an_object(image, f"{where}.image_url")
    url = a_text(fields.get("url"), f"{where}.image_url.url")
    detail = fields.get("detail")
    part = _from_url(Image, url)
    part.detail = detail if isinstance(detail, str) else ""
    part.extras = _raw(raw)
    return part


def _read_audio(raw: dict[str, JSON], where: str) -> Part:
    """`data` is base64; DashScope also takes a data URL or a URL."""
    audio = an_object(raw.get("input_audio"), f"{where}.input_audio")
    data = a_text(audio.get("data"), f"{where}.input_audio.data")
    format = audio.get("format")
    mime = media.audio_mime(format) if isinstance(format, str) and format else ""
    if ":" in data[:8]:
        part = _from_url(Audio, data)
        part.mime = mime or part.mime
    else:
        part = Audio(mime=mime, data=data)
    part.extras = _raw(raw)
    return part


def _read_file(raw: dict[str, JSON], where: str) -> Part:
    """`file_data` is a data URL, bare base64 or, for OpenRouter, a URL."""
    file = an_object(raw.get("file"), f"{where}.file")
    data, file_id, name = file.get("file_data"), file.get("file_id"), file.get("filename")
    if isinstance(data, str) and data:
        part = _from_url(Document, data) if ":" in data[:8] else _from_base64(data)
    elif isinstance(file_id, str) and file_id:
        part = Document(file_id=file_id)
    else:
        raise RequestError(f"{where}.file has neither file_data nor file_id", param=f"{where}.file")
    part.name = name if isinstance(name, str) else ""
    part.extras = _raw(raw)
    return part


def _from_url(kind: type[Media], url: str) -> Media:
    found = media.split_data_url(url)
    if found is None:
        return kind(url=url)
    mime, data = found
    return (media.part_for(mime) if mime and kind is Document else kind)(mime=mime, data=data)


def _from_base64(data: str) -> Media:
    mime = media.sniff(data)
    return media.part_for(mime)(mime="" if mime == "application/octet-stream" else mime, data=data)


def _read_refusal(raw: dict[str, JSON], where: str) -> Part:
    return Refusal(a_text(raw.get("refusal"), f"{where}.refusal"), extras=_raw(raw))


def _read_thinking(raw: dict[str, JSON], where: str) -> Part:
    return Reasoning(words_of(raw), origin=NAME, extras=_raw(raw))


def thinking_part(words: str) -> Reasoning:
    """An earlier thought as a part of the content (Mistral, "Reasoning"; API, "ThinkChunk": `closed`, nothing follows)."""
    thought: JSON = {"type": "thinking", "thinking": [{"type": "text", "text": words}], "closed": True}
    return Reasoning(words, origin=NAME, extras=_raw(thought))


_READERS: dict[str, Callable[[dict[str, JSON], str], Part]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "refusal": _read_refusal,
    "thinking": _read_thinking,
}


def _write_text(part: Text) -> JSON:
    document: dict[str, JSON] = {"type": "text", "text": part.text}
    if part.cache is not None:
        document["cache_control"] = part.cache
    return with_rest(document, own(part.extras).fields)


def _write_image(part: Image) -> JSON:
    image = {"url": media.data_url(part)}
    if part.detail:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _write_audio(part: Audio) -> JSON:
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": media.audio_format(part.mime)}}


def _write_document(part: Document) -> JSON:
    """A file by its data needs a name."""
    if part.file_id is not None:
        return {"type": "file", "file": {"file_id": part.file_id}}
    return {"type": "file", "file": {"filename": part.name or "document", "file_data": media.data_url(part)}}


_WRITERS: dict[type[Part], Callable[..., JSON]] = {
    Text: _write_text,
    Image: _write_image,
    Audio: _write_audio,
    Document: _write_document,
    Refusal: lambda part: {"type": "refusal", "refusal": part.text},
    Opaque: lambda part: part.raw,
    Reasoning: lambda part: {"type": "text", "text": part.text},
}
