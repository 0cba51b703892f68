"""What a protocol is: one record of pure functions and three classes. The exchange and the app know protocols only so.

A protocol's folder has modules for whole JSON documents, one direction each, `stream.py` (Decoder, Tap and, unless it has a
module of its own, Encoder), and `__init__.py`, which puts them into its `Protocol` record. It imports rows 0 to 2, never
another protocol. Beside this module: `streams` (what the three classes are), `failures` (an upstream's errors), `naming`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from typing import Protocol as Shape

from attrs import Factory, field, frozen

from ccproxy.codec.repeats import Repeats
from ccproxy.errors import CcproxyError, NotFound
from ccproxy.model import JSON, Answer, Context, EmbeddingAnswer, EmbeddingRequest, Request, Target
from ccproxy.protocols.streams import Decoder, Encoder, Reader, Tap
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


def _always(request: Request, target: Target) -> bool:
    return True


def _as_it_is(document: dict[str, JSON], target: Target, note: Callable[[str], None]) -> dict[str, JSON]:
    return document


@frozen(kw_only=True)
class Chat(Operation[Request]):
    """The chat operation of one protocol, as a server (read_request, write_answer, encoder) and as a client of an upstream
    (write_request, read_answer, decoder).

    read_answer(document, context, sink): a whole answer as one legal sequence of Sink calls. Raises Malformed.
    write_answer(answer, context): the whole answer for the client.
    reader(): the codec that frames the upstream's stream (of the default shape). repeats(): what recognises its repeats.
    conversation: the members that hold a request's conversation, its messages first, then the system prompt as it may be
        spelled.
    speaks(message): whether the model says this one of the messages, or items.
    brings_tools(message): whether this one says nothing but more tools of the request. None where none does.
    apart(request, target): whether the messages of such a request from another protocol, or of a piece of one, can be
        written without looking at its settings, and each without the others but for what `ccproxy.turnwise` knows of.
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
    conversation: tuple[str, ...]
    speaks: Callable[[JSON], bool]
    brings_tools: Callable[[JSON], bool] | None = None
    apart: Callable[[Request, Target], bool] = _always
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
