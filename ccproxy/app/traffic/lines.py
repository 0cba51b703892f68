"""One line of the traffic log: what is known of a message, and its body, as JSON.

    body        the JSON document as it was sent, byte for byte, but for line breaks between its members
    stream      the text of a stream
    text        of a body that is neither, or that was cut
    cut         bytes that are left out at the end

Keys become `***` wherever they stand. What is base64 and long becomes a few words that tell its type and size. A document
is not taken apart for that: it passes through three or four functions of the interpreter, each as fast as memory.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress, count
from urllib.parse import quote

from attrs import asdict, define, field, frozen

from ccproxy.codec import jsontext
from ccproxy.model import JSON, Usage

HIDDEN = "***"

SHORTEST_KEY = 4
"""Characters of a configured key that is looked for in texts. Shorter ones would be found in every word."""


class Masks:
    """Where one of these keys stands, `***` will. A key of fewer characters than `shortest` stays where it is."""

    def __init__(self, keys: Iterable[str], shortest: int = SHORTEST_KEY) -> None:
        known = {key for key in keys if len(key) >= shortest}
        spelt = sorted({form for key in known for form in _spellings(key)}, key=len, reverse=True)
        self._texts = spelt  # the longest first: one key may be another's beginning
        self._bytes = [form.encode("utf-8", "surrogatepass") for form in spelt]
        self.longest = max(map(len, self._bytes), default=0)

    def __repr__(self) -> str:
        return f"<Masks of {len(self._texts)} spellings>"

    def data(self, data: bytes) -> bytes:
        for key in self._bytes:
            data = data.replace(key, b"***")
            _let_others_work(data)
        return data

    def value(self, value: JSON) -> JSON:
        """The same in every string of a value."""
        if isinstance(value, str):
            for key in self._texts:
                value = value.replace(key, HIDDEN)
            return value
        if isinstance(value, Mapping):
            return {self.value(name): self.value(inner) for name, inner in value.items()}
        return [self.value(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _spellings(key: str) -> set[str]:
    """As it is, in a URL, and as JSON writes it in a string, a string within that, and once more (arguments of calls are
    JSON in a string, and so are results); some writers escape the slash too."""
    found = {key, quote(key, safe="")}
    escaped = key
    for _ in range(3):
        escaped = jsontext.dumps_str(escaped)[1:-1]
        found |= {escaped, escaped.replace("/", "\\/")}
    return found


_CREDENTIALS = re.compile(r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE)
_LIMITS = re.compile(r"ratelimit|rate-limit", re.IGNORECASE)
_OF_THE_CONNECTION = frozenset(
    {"accept-encoding", "connection", "content-length", "date", "host", "keep-alive", "te", "trailer", "transfer-encoding"}
)


def shown_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What headers say of the message, in lower case. Whatever may be a credential keeps its name only."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in _OF_THE_CONNECTION:
            continue
        hidden = _CREDENTIALS.search(name) and not _LIMITS.search(name)
        value = HIDDEN if hidden else value
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def shown_query(query: Mapping[str, str]) -> dict[str, str]:
    return {name: HIDDEN if _CREDENTIALS.search(name) else value for name, value in query.items()}


# ---------------------------------------------------------------------------------------------------------------------
# Bodies


@define
class Gathered:
    """The bytes of a message as they come, `limit` of them. On the path of every chunk while the log is on."""

    limit: int
    pieces: list[bytes] = field(factory=list, repr=False)
    size: int = 0

    def add(self, data: bytes) -> None:
        if self.size < self.limit:
            self.pieces.append(data)
        self.size += len(data)


@frozen(kw_only=True)
class Line:
    """id: of the request. when: seconds since the epoch. own: what ccproxy itself says of the message. facts: what clients
    and upstreams say, with any keys in it. counted: asked for the usage. pieces: of the body; size: how many bytes that
    has, a part of which may not be in `pieces`. streams: whether it is a stream. valid: it is known to be JSON."""

    id: str
    when: float
    direction: str
    own: dict[str, JSON]
    facts: dict[str, JSON]
    counted: Callable[[], Usage | None] | None = None
    pieces: Sequence[bytes] = field(default=(), repr=False)
    size: int = 0
    streams: bool = False
    valid: bool = False

    @property
    def held(self) -> int:
        """About how many bytes it keeps in memory."""
        return sum(map(len, self.pieces)) + 1024

    def written(self, masks: Masks, longest: int) -> bytes:
        """As JSON. longest: bytes of a body that are kept."""
        when = datetime.fromtimestamp(self.when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told: dict[str, JSON] = {"id": self.id, "time": when, "direction": self.direction}
        told |= {name: fact for name, fact in self.own.items() if fact not in ("", None)}
        told |= masks.value({name: fact for name, fact in self.facts.items() if fact})
        usage = self.counted() if self.counted is not None else None
        if usage is not None:
            told["usage"] = asdict(usage, filter=lambda each, value: each.name != "extras" and bool(value))
        said = jsontext.dumps(told)
        return b"%s%s}" % (said[:-1], self._body(masks, longest))

    def _body(self, masks: Masks, longest: int) -> bytes:
        """The body's members, each with a comma before it."""
        whole = self._whole(masks)
        masked = masks.data(whole)
        data = without_media(masked)
        cut = self.size - len(whole) + max(0, len(data) - longest)
        data = data[:longest]
        left_out = b',"cut":%d' % cut if cut else b""
        if not data:
            return left_out
        if not self.streams and not cut and ((self.valid and masked == whole) or _is_json(data)):
            return b',"body":' + data.replace(b"\n", b" ").replace(b"\r", b" ")  # which stand between members only
        name = b"stream" if self.streams else b"text"
        return b',"%s":%s%s' % (name, jsontext.dumps(data.decode("utf-8", "replace")), left_out)

    def _whole(self, masks: Masks) -> bytes:
        """All there is of the body, without what may be a part of a key at its end."""
        data = b"".join(self.pieces)
        return data[: max(0, len(data) - masks.longest)] if len(data) < self.size else data


def _is_json(data: bytes) -> bool:
    try:
        jsontext.loads(data)
    except jsontext.JSONError:
        return False
    return True


_LARGE = 64 * 1024
"""Bytes of a body with which one step may take longer than a stream should wait."""

_MOMENT = 0.0002
"""Seconds, in which another thread that waits for the interpreter gets it. Else it would wait for five milliseconds."""


def _let_others_work(data: bytes) -> None:
    if len(data) > _LARGE:
        time.sleep(_MOMENT)


LONGEST_MEDIA = 1024
"""Characters of base64 that are shown. A thumbnail has more, an id or a short signature has not."""

_ALPHABET = string.ascii_letters.encode() + string.digits.encode() + b"+/_-\\"
"""Both alphabets of RFC 4648, and the backslash of JSON's \\/ and \\n."""

_MIXED = (re.compile(rb"[A-Z]"), re.compile(rb"[a-z]"), re.compile(rb"[0-9]"))
_DATA_URL = re.compile(rb"data:([\w.+/\\-]*)[\w=;.+-]*,")
_MIME = re.compile(rb"(?:image|audio|video|application|text|font|model)/[\w.+-]+")
_MAGIC = {
    b"iVBORw0KGgo": b"image/png",
    b"/9j/": b"image/jpeg",
    b"R0lGOD": b"image/gif",
    b"UklGR": b"image/webp or audio/wav",
    b"JVBERi0": b"application/pdf",
    b"SUQz": b"audio/mpeg",
    b"T2dnUw": b"audio/ogg",
    b"UEsDB": b"application/zip",
}
"""How base64 of a format begins. RIFF, which begins WebP and WAV alike, tells which only behind its length."""

_NEAR = 12
"""Pieces between quotes in which a neighbour tells the type: `"mimeType":"image/png","data":"` has five before the data."""


def without_media(data: bytes) -> bytes:
    """JSON, or a stream of it, with a few words in the place of each long string of base64."""
    if len(data) <= LONGEST_MEDIA:
        return data
    pieces = data.split(b'"')
    _let_others_work(data)
    long = compress(count(), map(LONGEST_MEDIA.__lt__, map(len, pieces)))  # a loop would take six times as long
    changed = False
    for number in long:
        url = _DATA_URL.match(pieces[number])
        coded = pieces[number][url.end() if url else 0 :].rstrip(b"\\")
        if len(coded) > LONGEST_MEDIA and _is_base64(coded):
            kind = (url[1].replace(b"\\", b"") if url else _near(pieces, number)) or _by_beginning(coded)
            pieces[number] = b"".join([url[0] if url else b"", _told(kind, coded), b"\\" * pieces[number].endswith(b"\\")])
            changed = True
    return b'"'.join(pieces) if changed else data


def _is_base64(piece: bytes) -> bool:
    start = piece[:LONGEST_MEDIA]
    return all(kind.search(start) for kind in _MIXED) and not piece.rstrip(b"=").translate(None, _ALPHABET)


def _near(pieces: Sequence[bytes], number: int) -> bytes:
    """The type that stands beside the data, the nearest before it or else behind it."""
    around = [*reversed(pieces[max(0, number - _NEAR) : number]), *pieces[number + 1 : number + _NEAR]]
    return next((kind for piece in around if _MIME.fullmatch(kind := piece.replace(b"\\", b""))), b"")


def _by_beginning(coded: bytes) -> bytes:
    return next((kind for begins, kind in _MAGIC.items() if coded.startswith(begins)), b"")


def _told(kind: bytes, coded: bytes) -> bytes:
    size = len(coded.rstrip(b"=")) * 3 // 4
    return b"[base64: %s%d bytes]" % (kind + b", " if kind else b"", size)
