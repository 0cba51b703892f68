"""What a protocol is: one record of pure functions and three classes. The exchange and the app know protocols only so.

A protocol's folder has `documents.py` (whole JSON documents), `stream.py` (Decoder, Encoder, Tap) and `__init__.py`, which
puts them into its `Protocol` record. It imports rows 0 and 1 and this module, never another protocol.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from typing import Protocol as Shape

from attrs import Factory, field, frozen

from ccproxy import tokens
from ccproxy.codec import jsontext
from ccproxy.codec.repeats import Repeats
from ccproxy.errors import CcproxyError, NotFound, UpstreamError
from ccproxy.model import JSON, Answer, Context, EmbeddingAnswer, EmbeddingRequest, Request, Target, Usage
from ccproxy.stream import Sink

Headers = list[tuple[str, str]]


# ---------------------------------------------------------------------------------------------------------------------
# What the record holds


@frozen(kw_only=True)
class Route:
    """One path that a protocol's clients call.

    path: literal, or with `{model}` in it, which stands for everything up to the last `:` (or to the end) and may hold
    slashes, or with `{id}`, which holds none. operation: what is asked for; most are a column of the record (`chat`,
    `embeddings`, `count`), the app serves `models`, `model`, `show`, `kept` and `fixed`. stream: what the path says about
    streaming, None where the body says it. shape: which of the operation's spellings the path stands for. document: the
    answer of a `fixed` route.
    """

    method: str
    path: str
    operation: str
    stream: bool | None = None
    shape: str = ""
    document: Mapping[str, JSON] = field(factory=dict)


@frozen(kw_only=True)
class Call:
    """What the route and the query string said of one request."""

    model: str = ""
    id: str = ""
    stream: bool | None = None
    query: Mapping[str, str] = field(factory=dict)
    path: str = ""
    shape: str = ""


@frozen(kw_only=True)
class ModelInfo:
    """One row of a model list. created: seconds since the epoch. context and output: token limits. 0: unknown."""

    id: str
    created: int = 0
    owner: str = ""
    title: str = ""
    context: int = 0
    output: int = 0
    abilities: frozenset[str] = frozenset()


class Reader(Shape):
    """See `ccproxy.codec`."""

    @property
    def pending(self) -> int: ...
    def feed(self, data: bytes) -> list[bytes]: ...
    def eof(self) -> list[bytes]: ...


Single = tuple[str, Callable[[str], None]]
"""The one text that a record held, and what to do with that of each record which is the same but for its text."""


class Decoder:
    """An upstream's stream into Sink calls. `done` is true once the protocol's own end has been seen or an error passed on;
    what comes later is ignored.

    `feed` and `eof` raise `Malformed` for bytes that break the protocol, and nothing else. `eof` tells a clean end of the
    body: it makes up a missing end where DESIGN 5 says so and raises `Broken` otherwise. An error that the upstream reports
    within its stream goes to `sink.error`.

    A protocol says what a record means (`_record`), which record held a single text (`_single`) and what a body's end means
    (`_ended`). Records that repeat the one before but for that text are read by `codec.repeats`.
    """

    __slots__ = ("_again", "_reader", "_repeats", "context", "done", "sink")

    def __init__(self, context: Context, sink: Sink, reader: Reader, repeats: Repeats) -> None:
        self.context = context
        self.sink = sink
        self.done = False
        self._reader = reader
        self._repeats = repeats
        self._again: Callable[[str], None] = sink.text

    def feed(self, data: bytes) -> None:
        if self.done:
            return
        repeats = self._repeats
        if texts := repeats.read(data):
            again = self._again
            for text in texts:
                if text:
                    again(text)
        if repeats.rest:
            self._read(repeats.rest)

    def eof(self) -> None:
        if self.done:
            return
        if pending := self._repeats.flush():
            self._read(pending)
        if not self.done:
            self._ended()

    def _read(self, data: bytes) -> None:
        """In full."""
        reader = self._reader
        begun = reader.pending > 0
        payloads = reader.feed(data)
        self._take(payloads)
        text, self._again = (None if self.done else self._single()) or (None, self._again)
        self._repeats.learn_from(data, len(payloads), text, begun=begun, cut=reader.pending > 0)

    def _take(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            if self.done:
                return
            self._record(payload)

    def _record(self, payload: bytes) -> None:
        """One record of the stream. Raises Malformed."""
        raise NotImplementedError

    def _single(self) -> Single | None:
        """What the last record held, if that was one text and nothing else that another such record would change."""
        raise NotImplementedError

    def _ended(self) -> None:
        """The body's clean end. Raises Malformed and Broken."""
        raise NotImplementedError


class Encoder(Sink):
    """Sink calls into the client's stream. Bytes gather in `out` until `take`.

    Any legal call order gives a stream that the protocol's official SDK accepts. `usage` keeps the last counts in `totals`;
    `finish` and `error` write the end, error after closing what is open, and set `done` (and `failure`). `document` is the
    whole answer once it has ended, in protocols with a History; empty in others. `said` is how many bytes of words the
    client has been sent; `usage_so_far` makes an estimate of it where the upstream counts nothing.
    """

    __slots__ = ("context", "document", "done", "failure", "out", "said", "totals")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.document: dict[str, JSON] = {}
        self.out: list[bytes] = []
        self.done = False
        self.failure: CcproxyError | None = None
        self.said = 0
        self.totals: Usage | None = None

    def take(self) -> bytes:
        """The bytes since the last take."""
        out = self.out
        if len(out) == 1:
            return out.pop()
        data = b"".join(out)
        out.clear()
        return data

    def length(self) -> int:
        """The bytes of words so far."""
        return self.said

    def usage_so_far(self) -> Usage | None:
        """The counts: the upstream's, or estimates where it gave none. `finish` puts them into `totals`."""
        return tokens.settled(self.totals, self.length(), self.context)

    def keepalive(self) -> bytes:
        """What an idle stream carries in this protocol (DESIGN 5), b"" for nothing."""
        return b""


def pass_by(text: str) -> None:
    """For a Tap that has nothing to remember of a text."""


class Tap:
    """Looks at a same-protocol stream beside its bytes: keeps usage, what is open, whether it ended, and how.

    usage: the last counts. done: the protocol's own end was seen. failure: the upstream's own error, once seen. said: about
    how many bytes of words passed; 0 in the streams of upstreams that count as they go. `length` tells it. single: see
    `Single`, of the last record; records that repeat it are not shown.
    """

    __slots__ = ("context", "done", "failure", "said", "single", "usage")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.usage: Usage | None = None
        self.said = 0
        self.done = False
        self.failure: UpstreamError | None = None
        self.single: Single | None = None

    def length(self) -> int:
        """About how many bytes of words passed."""
        return self.said

    def speak(self, text: str) -> None:
        """Counts words that are not shown in full: those of a repeat."""
        self.said += len(text)

    def look(self, payload: bytes) -> bytes | None:
        """One record's payload. Returns the payload that replaces it (not framed), or None to let its bytes pass.
        Sets `single`. Raises `Malformed` for what is no record of this protocol."""
        raise NotImplementedError

    def missed(self, tokens: Mapping[str, bytes]) -> None:
        """The JSON of the volatile members of the last record that was not shown. Told before anything else is."""

    def eof(self) -> bytes:
        """A clean end of the body: bytes to add. Raises `Broken` where the stream must not end here."""
        raise NotImplementedError

    def fail(self, error: CcproxyError) -> bytes:
        """Closes what is open and reports the error, in the client's stream."""
        raise NotImplementedError

    def keepalive(self) -> bytes:
        return b""


AskedT = TypeVar("AskedT")


@frozen(kw_only=True)
class Operation(Generic[AskedT]):
    """What every operation has that goes to an upstream; AskedT is its request.

    read_request(document, context, call): checks the document and says what it says. Sets the context's stream, shape,
        include_usage, echo and tools. Raises RequestError with `param`.
    write_request(request, target, context): the upstream's JSON document. request.model is already the target's. Raises
        Unsupported. Keeps the renamed tools in context.tool_names.

    For traffic that is relayed as it is:
    peek(document, context, call): checks that what the protocol demands is there (RequestError with `param`) and sets the
        context's stream, shape and include_usage; read_request begins with it.
    path(target, stream, shape): the upstream's path behind the base URL, with its query string. shape: the context's
        where client and upstream speak this protocol both, else "".
    native_shapes: the context shapes that upstreams take and stream in too.
    unfit: bytes that only a body has which an upstream may refuse as it came: it is read and written instead.
    """

    read_request: Callable[[dict[str, JSON], Context, Call], AskedT]
    write_request: Callable[[AskedT, Target, Context], dict[str, JSON]]
    peek: Callable[[dict[str, JSON], Context, Call], None]
    path: Callable[[Target, bool, str], str]
    native_shapes: frozenset[str] = frozenset({""})
    unfit: tuple[bytes, ...] = ()


def _as_it_is(document: dict[str, JSON], target: Target, note: Callable[[str], None]) -> dict[str, JSON]:
    return document


@frozen(kw_only=True)
class Chat(Operation[Request]):
    """The chat operation of one protocol, as a server (read_request, write_answer, encoder) and as a client of an upstream
    (write_request, read_answer, decoder).

    read_answer(document, context, sink): a whole answer as one legal sequence of Sink calls. Raises Malformed.
    write_answer(answer, context): the whole answer for the client.
    reader(): the codec that frames the upstream's stream (of the default shape). repeats(): what recognises its repeats.
    refit(document, target, note): a request of this protocol's client whose thinking is asked for in a form that the target
        lacks, in the other form; the given document where there is nothing to change. note: takes what was changed.
    quiet: members of a request beyond the model that no upstream of another protocol misses; of the others a note tells.
    quiet_within: the same for what stands within its messages, parts and tools, with what is kept for the way back only
        because the model says it in other words.
    renames: whether answers carry the model in so few places that same-protocol traffic is given the client's name.
    record_end: what ends a record of the stream, for a last one that came without.
    alone(document, context): the whole answer to a request that only an upstream of this protocol can do anything with;
        None for all others. Asked after `peek`, when the upstream speaks another protocol. None where there are no such.
    """

    read_answer: Callable[[dict[str, JSON], Context, Sink], None]
    write_answer: Callable[[Answer, Context], dict[str, JSON]]
    decoder: Callable[[Context, Sink], Decoder]
    encoder: Callable[[Context], Encoder]
    tap: Callable[[Context], Tap]
    reader: Callable[[], Reader]
    repeats: Callable[[], Repeats]
    stream_type: Callable[[Context], str]
    refit: Callable[[dict[str, JSON], Target, Callable[[str], None]], dict[str, JSON]] = _as_it_is
    quiet: frozenset[str] = frozenset()
    quiet_within: frozenset[str] = frozenset()
    renames: bool = False
    record_end: bytes = b"\n\n"
    alone: Callable[[dict[str, JSON], Context], dict[str, JSON] | None] | None = None


@frozen(kw_only=True)
class Embeddings(Operation[EmbeddingRequest]):
    """Vectors for texts, as a server and as a client of an upstream.

    read_answer(document, context): an upstream's answer. Raises Malformed.
    write_answer(answer, context): the answer for the client, in the encoding that the context's shape says.
    """

    read_answer: Callable[[dict[str, JSON], Context], EmbeddingAnswer]
    write_answer: Callable[[EmbeddingAnswer, Context], dict[str, JSON]]


@frozen(kw_only=True)
class Counting(Operation[Request]):
    """How many tokens a chat request has. Only an upstream of the same protocol is asked; for any other the count is ours
    (`ccproxy.tokens`). write_answer(count, context): the answer for the client."""

    write_answer: Callable[[int, Context], dict[str, JSON]]


@frozen
class Kept:
    """An answer and what led to it, in the words of the client's protocol. said: the conversation before the answer, the
    earlier turns in it; as JSON text, since most are kept and never read. answer: the answer's whole document."""

    said: bytes
    answer: dict[str, JSON]


class Memory(Shape):
    """The earlier answers of one client. The app makes one for each exchange; nothing here waits or raises."""

    def recall(self, id: str) -> Kept | None: ...

    def keep(self, id: str, kept: Kept) -> bool:
        """False when it cannot be kept, as when it is too large."""
        ...


@frozen(kw_only=True)
class History:
    """For protocols whose clients may name an earlier answer in the place of the turns before it.

    previous(document): the id of the answer that a request names, "" for none. Raises RequestError.
    merge(document, kept, context): the request as if its client had said all turns itself; what answers repeat of the
        id goes to context.echo. Raises RequestError.
    said(document): the turns of a merged request as `Kept.said`, None where the client wants its answer forgotten.
    unknown(id), missing(id): the error for an id that nothing is kept under, named in a request or asked for by itself.
    views: `Route.shape` -> what a route of the operation `kept` is answered, from the id, what is kept, and the query.
        Raises RequestError.
    forgets: the shapes after which the answer is kept no longer.
    """

    previous: Callable[[dict[str, JSON]], str]
    merge: Callable[[dict[str, JSON], Kept, Context], dict[str, JSON]]
    said: Callable[[dict[str, JSON]], bytes | None]
    unknown: Callable[[str], NotFound]
    missing: Callable[[str], NotFound]
    views: Mapping[str, Callable[[str, Kept, Mapping[str, str]], dict[str, JSON]]]
    forgets: frozenset[str] = frozenset()


@frozen(kw_only=True)
class Models:
    """Model lists of one protocol. path: behind the base URL. read(document): an upstream's list. write(models, call): the
    list for a client. write_one(model): a single model for a client. show(model): the same at length, where the protocol
    has a route for that."""

    path: str
    read: Callable[[dict[str, JSON]], list[ModelInfo]]
    write: Callable[[Sequence[ModelInfo]], dict[str, JSON]]
    write_one: Callable[[ModelInfo], dict[str, JSON]]
    show: Callable[[ModelInfo], dict[str, JSON]] | None = None


@frozen(kw_only=True)
class Protocol:
    """name: as in the config. title: for people. routes: what its clients call. embeddings, count, history: None where the
    protocol has no such thing.

    write_error(error): the error document of this protocol; the HTTP status is `error.status` after `status_for`.
    statuses: HTTP statuses that this protocol's clients know otherwise: ours -> theirs. 529, which is overloaded, is
        Anthropic's alone; some clients of others ask again for the statuses they know only.
    marks: header names (lower-case), and query keys with a leading `?`, that only this protocol's clients send; they
        tell on paths that several protocols share.
    headers: what every request to an upstream of this protocol must say.
    key_headers(key): how an upstream of this protocol takes its API key; the first header is the default way.
    pass_headers: client headers (lower-case) that go up on same-protocol traffic.
    pass_answer_headers: upstream headers that come down on same-protocol traffic, beside the common ones of `exchange`.
    base_url: what the official SDK uses by default. sdk_suffix: path endings of a base URL that users add by mistake.
    operations: those that go to an upstream, by the name of their column; made of the columns.
    """

    name: str
    title: str
    routes: tuple[Route, ...]
    chat: Chat
    models: Models
    write_error: Callable[[CcproxyError], dict[str, JSON]]
    key_headers: Callable[[str], Headers]
    base_url: str
    embeddings: Embeddings | None = None
    count: Counting | None = None
    history: History | None = None
    marks: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()
    pass_headers: frozenset[str] = frozenset()
    pass_answer_headers: frozenset[str] = frozenset()
    statuses: Mapping[int, int] = field(factory=lambda: {529: 503})
    sdk_suffix: tuple[str, ...] = ()
    operations: Mapping[str, Operation[Any]] = field(
        init=False, eq=False, repr=False, default=Factory(lambda self: self._columns(), takes_self=True)
    )

    def _columns(self) -> dict[str, Operation[Any]]:
        columns: dict[str, Operation[Any] | None] = {"chat": self.chat, "embeddings": self.embeddings, "count": self.count}
        return {name: column for name, column in columns.items() if column is not None}

    def status_for(self, error: CcproxyError) -> int:
        return self.statuses.get(error.status, error.status)


# ---------------------------------------------------------------------------------------------------------------------
# Errors that an upstream sends, in whatever shape


def read_error(origin: str, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> UpstreamError:
    """The error behind an upstream's non-2xx answer: JSON of any known shape, plain text or HTML. Never raises.

    Shapes seen: `{"error": {message, type, code, status, param}}`, `{"error": "..."}`, `{"message": ...}`,
    `{"detail": ...}` (FastAPI), a list of one of these (Gemini), text, HTML. `headers` are those of the answer.
    """
    try:
        document = jsontext.loads(body) if body.strip() else None
    except jsontext.JSONError:
        document = None
    if isinstance(document, (dict, list)):
        return error_from_document(origin, status, document, headers)
    text = _plain(body)
    return UpstreamError(text or f"the upstream answered with status {status}", status=status, **_from_headers(headers))


def error_from_document(origin: str, status: int, document: JSON, headers: Sequence[tuple[str, str]] = ()) -> UpstreamError:
    """The same for a document that is decoded already, as in a stream. `status` is used as it is."""
    outer = document[0] if isinstance(document, list) and document else document
    outer = outer if isinstance(outer, dict) else {"message": outer}
    inner = outer.get("error", outer)
    body: dict[str, Any] = inner if isinstance(inner, dict) else {"message": inner}
    message = next((m for m in (body.get(k) for k in _MESSAGE_KEYS) if m), None) or next(
        (m for m in (outer.get(k) for k in _MESSAGE_KEYS) if m and not isinstance(m, dict)), None
    )
    code = next((c for c in (body.get("code"), body.get("type"), body.get("status"), outer.get("code")) if c), None)
    param = body.get("param")
    about = _from_headers(headers)
    if "retry_after" not in about and (wait := _told_delay(body)) is not None:
        about["retry_after"] = wait
    return UpstreamError(
        message if isinstance(message, str) else jsontext.dumps_str(message or document),
        status=status,
        code=None if code is None else str(code),
        param=param if isinstance(param, str) else None,
        origin=origin,
        raw=document,
        **about,
    )


_MESSAGE_KEYS = ("message", "detail", "error", "msg", "title")
_TAG = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TEXT_LIMIT = 2_000
"""Characters of a text or HTML error that a client is shown; a proxy's error page can be long and says little more."""


def _plain(body: bytes) -> str:
    text = body[: 8 * _TEXT_LIMIT].decode("utf-8", "replace")
    return " ".join(_TAG.sub(" ", text).split())[:_TEXT_LIMIT]


_RATE_LIMIT = ("x-ratelimit-", "anthropic-ratelimit-")
_REQUEST_IDS = frozenset({"request-id", "x-request-id"})


def _from_headers(headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kept = [(n, v) for n, v in headers if n in _REQUEST_IDS or n == "retry-after" or n.startswith(_RATE_LIMIT)]
    if kept:
        found["headers"] = kept
    wait = _wait(dict(headers))
    if wait is not None:
        found["retry_after"] = wait
    return found


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before asking again: `retry-after-ms`, which OpenAI and Azure send and the SDKs heed first, else
    `retry-after`, which may be a date (RFC 9110, section 10.2.3); the answer's own `date` tells what time it was there."""
    said, finer = headers.get("retry-after", ""), headers.get("retry-after-ms", "")
    for text, unit in ((finer, 1000.0), (said, 1.0)):
        if _NUMBER.fullmatch(text.strip()):
            return float(text) / unit
    if not said:
        return None
    from email.utils import parsedate_to_datetime  # hardly anybody sends a date

    try:
        until, sent = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):  # no dates, or one of them without a zone
        return None


_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")
_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)s")


def _told_delay(body: Mapping[str, Any]) -> float | None:
    """Google says the wait in the error itself (google.rpc.RetryInfo), and in no header."""
    details = body.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (match := _DELAY.fullmatch(delay)):
            return float(match[1])
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Ids and names


def made_id(context: Context, prefix: str, number: int = 0) -> str:
    """An id of our own: `prefix` + the exchange's id, told apart by `number`. The same for the same exchange."""
    return f"{prefix}{context.id}{number:x}" if number else f"{prefix}{context.id}"


def fit(name: str, allowed: re.Pattern[str], limit: int) -> str:
    """A name or id made legal: characters outside `allowed` (a class such as `[^a-zA-Z0-9_-]`) become `_`, and where
    anything changed or the text is too long, a hash of the original keeps it distinct. Deterministic."""
    if 0 < len(name) <= limit and allowed.search(name) is None:
        return name
    clean = allowed.sub("_", name)
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{clean[: limit - 9]}_{mark}"


def fit_tool_name(name: str, context: Context, allowed: re.Pattern[str], limit: int) -> str:
    """The tool's name for the upstream; remembers the way back in `context.tool_names`."""
    wire = fit(name, allowed, limit)
    if wire != name:
        context.tool_names[wire] = name
    return wire


def client_tool_name(name: str, context: Context) -> str:
    """The client's name of a tool that the upstream called."""
    return context.tool_names.get(name, name)
