"""Media as the wires carry them: data URLs, and the text that stands in for what a target cannot take."""

from __future__ import annotations

from ccproxy.model import Audio, Document, Image, Media, Part, Text, ToolResult

_AUDIO_FORMATS = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "ogg": "audio/ogg",  # the last word of one type is the one that is written
    "pcm16": "audio/pcm",
}
_AUDIO_NAMES = {mime: name for name, mime in _AUDIO_FORMATS.items()} | {"audio/mp3": "mp3", "audio/x-wav": "wav"}
_MAGIC = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)


def split_data_url(url: str) -> tuple[str, str] | None:
    """(mime, base64 text) of a base64 data URL (RFC 2397), None for any other URL."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        return None
    return head[5:-7].split(";")[0], data


def data_url(part: Media) -> str:
    """The part's bytes as a data URL, or its URL."""
    if part.data is None:
        return part.url or ""
    return f"data:{part.mime or sniff(part.data)};base64,{part.data}"


def sniff(data: str) -> str:
    """The mime type that base64 text begins like; `application/octet-stream` when it is none of the known ones."""
    return next((mime for magic, mime in _MAGIC if data.startswith(magic)), "application/octet-stream")


def part_for(mime: str) -> type[Media]:
    """The part class for a mime type."""
    if mime.startswith("image/"):
        return Image
    return Audio if mime.startswith("audio/") else Document


def audio_mime(format: str) -> str:
    """OpenAI's audio format word as a mime type."""
    return _AUDIO_FORMATS.get(format, f"audio/{format}")


def audio_format(mime: str) -> str:
    """A mime type as OpenAI's audio format word."""
    return _AUDIO_NAMES.get(mime, mime.removeprefix("audio/"))


def stand_in(part: Media, target: str) -> Text:
    """The text that says what was left out."""
    kind = type(part).__name__.lower()
    what = f" {part.name}" if part.name else ""
    return Text(f"[{kind}{what} left out: the {target} protocol has no place for it here]")


def blind(parts: list[Part]) -> bool:
    """Puts a text in the place of each image, in tool results too, for a model that sees none. True where there was one."""
    found = False
    for place, part in enumerate(parts):
        if isinstance(part, Image):
            parts[place] = Text("[image left out: the model cannot see]", cache=part.cache)
            found = True
        elif isinstance(part, ToolResult):
            found = blind(part.parts) or found
    return found
