"""Lines of the traffic log as a person reads them.

    entry ── head: when, which request, who speaks to whom
          └── rows: the body by its protocol's own reader; as it is where that cannot read it

A side that says what the other side said is not told twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from ccproxy.cli.conversation import Row, Teller
from ccproxy.codec import jsontext
from ccproxy.errors import Broken, CcproxyError
from ccproxy.model import Context
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call, Protocol
from ccproxy.protocols.failures import read_error
from ccproxy.stream import Collector

Entry = dict[str, Any]

_REMEMBERED = 64
"""Requests under way at once, whose two sides are compared."""

_LABEL = 10
"""Columns of a row's label, with the space behind it."""

_COLOURS = {
    "system": "magenta",
    "developer": "magenta",
    "user": "green",
    "assistant": "cyan",
    "thinking": "bright_black",
    "call": "yellow",
    "result": "blue",
    "failed": "red",
    "error": "red",
    "refusal": "red",
    "note": "yellow",
}


class Transcript:
    """Tells one entry after the other. full: everything."""

    def __init__(self, *, full: bool) -> None:
        self._teller = Teller(full=full)
        self._full = full
        self._said: OrderedDict[tuple[str, str], list[Row]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Transcript {self._teller} requests={len(self._said)}>"

    def told(self, entry: Entry) -> str:
        """The entry as coloured text, whose controls steer no terminal."""
        head, *rest = self._head(entry)
        rows = [*self._facts(entry), *self._body(entry)]
        lines = [f"{click.style(_safe(head), bold=True)}{_safe(''.join(rest))}"]
        for row in rows:
            lines += _laid_out(row)
        return "\n".join(lines)

    # The first line

    def _head(self, entry: Entry) -> tuple[str, ...]:
        when = _local(entry.get("time", ""))
        if entry.get("direction") == "lost":
            return f"{when} {entry.get('lines')} lines are missing here", ""
        id, pair = str(entry.get("id", ""))[:6], f"{entry.get('provider')}/{entry.get('upstream_model')}"
        tell = {
            "from_client": f"{_client(entry)} asks {_wanted(entry)}",
            "to_upstream": f"→ {pair}",
            "from_upstream": f"← {pair}",
            "to_client": f"{_client(entry)} gets {entry.get('status', 'nothing')}",
        }.get(str(entry.get("direction")), str(entry.get("direction")))
        about = ", ".join(filter(None, _about(entry)))
        return f"{when} {id} {tell}", f"  {about}" if about else ""

    def _facts(self, entry: Entry) -> Iterator[Row]:
        if self._full:
            where = [entry.get("method", ""), entry.get("url") or entry.get("path", "")]
            if any(where):
                yield Row("to", " ".join(where))
            headers = "\n".join(f"{name}: {value}" for name, value in (entry.get("headers") or {}).items())
            if headers:
                yield Row("headers", headers)
        for failed in entry.get("failed") or ():
            yield Row("failed", failed)
        for note in entry.get("notes") or ():
            yield Row("note", note)
        if entry.get("error"):
            yield Row("error", entry["error"])

    # The body

    def _body(self, entry: Entry) -> list[Row]:
        asks = entry.get("direction") in ("from_client", "to_upstream")
        rows = list(self._asked(entry) if asks else self._answered(entry))
        if entry.get("cut"):
            rows.append(Row("cut", f"{entry['cut']:,} bytes are left out"))
        return self._once(entry, rows, "asked" if asks else "answered")

    def _once(self, entry: Entry, rows: list[Row], side: str) -> list[Row]:
        """The rows, or a word where the other side has just been told with the same ones."""
        key = (str(entry.get("id")), side)
        before = self._said.get(key)
        self._said[key] = rows
        self._said.move_to_end(key)
        while len(self._said) > 2 * _REMEMBERED:
            self._said.popitem(last=False)
        return [Row("", "(the same)")] if rows and rows == before else rows

    def _asked(self, entry: Entry) -> Iterator[Row]:
        document, protocol = entry.get("body"), _protocol(entry)
        column = protocol.operations.get(entry.get("operation", "")) if protocol is not None else None
        if not isinstance(document, dict) or protocol is None or column is None:
            yield from self._as_it_is(entry)
            return
        name = protocol.name
        model = entry.get("upstream_model" if entry["direction"] == "to_upstream" else "model", "")
        try:
            request = column.read_request(document, Context(client=name, upstream=name), _call(entry, protocol, model))
        except CcproxyError:
            yield from self._as_it_is(entry)
            return
        yield from self._teller.embedding(request) if hasattr(request, "inputs") else self._teller.request(request)

    def _answered(self, entry: Entry) -> Iterator[Row]:
        protocol, status = _protocol(entry), entry.get("status", 0)
        if status >= 400 and "body" in entry:
            message = read_error("", status, [], jsontext.dumps(entry["body"])).message
            if message != entry.get("error"):
                yield self._teller.text("error", message)
            return
        collector = Collector()
        if protocol is None or entry.get("operation") != "chat" or not _collected(entry, protocol, collector):
            yield from self._as_it_is(entry)
            return
        yield from self._teller.answer(collector.answer, broken=not collector.done or collector.failure is not None)
        if collector.failure is not None and collector.failure.message not in ("", entry.get("error")):
            yield self._teller.text("error", collector.failure.message)

    def _as_it_is(self, entry: Entry) -> Iterator[Row]:
        if "body" in entry:
            yield self._teller.document(entry["body"])
        for name in ("text", "stream"):
            if entry.get(name):
                yield self._teller.text(name, entry[name])


def _collected(entry: Entry, protocol: Protocol, collector: Collector) -> bool:
    """Whether the answer could be read, as far as it goes."""
    context = Context(client=protocol.name, upstream=protocol.name, model=entry.get("model", ""), stream="stream" in entry)
    try:
        if isinstance(entry.get("body"), dict):
            protocol.chat.read_answer(entry["body"], context, collector)
        elif "stream" in entry:
            decoder = protocol.chat.decoder(context, collector)
            decoder.feed(entry["stream"].encode("utf-8", "surrogatepass"))
            if not entry.get("cut") and not entry.get("cancelled"):
                decoder.eof()
    except CcproxyError as error:
        collector.error(error)
    if not collector.done:
        collector.error(Broken(""))
    return bool(collector.answer.parts) or collector.failure is None


def _protocol(entry: Entry) -> Protocol | None:
    upstream = entry.get("direction") in ("to_upstream", "from_upstream")
    return PROTOCOLS.get(entry.get("protocol" if upstream else "client", ""))


def _call(entry: Entry, protocol: Protocol, model: str) -> Call:
    """What the path says beside the body."""
    path = entry.get("path") or str(entry.get("url", "")).partition("?")[0]
    routes = [route for route in protocol.routes if path.endswith(route.path.rpartition("}")[2])]
    route = max(routes, key=lambda route: len(route.path), default=None)
    shape, stream = (route.shape, route.stream) if route is not None else ("", None)
    return Call(model=model, stream=stream, query=entry.get("query") or {}, path=path, shape=shape)


def _client(entry: Entry) -> str:
    agent = str(entry.get("agent", "")).partition(" ")[0]
    return " ".join(filter(None, [str(entry.get("key", "")), agent])) or "a client"


def _wanted(entry: Entry) -> str:
    if not entry.get("model"):
        return f"{entry.get('method', '')} {entry.get('path', '')}"
    operation = entry.get("operation", "chat")
    what = "" if operation == "chat" else f" ({operation})"
    return f"{entry.get('group', '')} for {entry['model']}{what}"


def _about(entry: Entry) -> Iterator[str]:
    direction = entry.get("direction")
    yield str(entry.get("client", "") if direction in ("from_client", "to_client") else entry.get("protocol", ""))
    if entry.get("attempt", 1) > 1:
        yield f"attempt {entry['attempt']}"
    if entry.get("provider_key"):
        yield f"key {entry['provider_key']}"
    if direction == "from_upstream":
        yield str(entry.get("status", "no answer"))
    if entry.get("cancelled"):
        yield "the client has left"
    for name, words in (("first_byte", "first byte {:.2f} s"), ("seconds", "{:.2f} s")):
        if name in entry:
            yield words.format(entry[name])


def _local(time: str) -> str:
    """In this place's time; with the day, where it is another one."""
    try:
        then = datetime.fromisoformat(time).astimezone()
    except ValueError:
        return time
    return then.strftime("%H:%M:%S" if then.date() == datetime.now().date() else "%Y-%m-%d %H:%M:%S")


def _laid_out(row: Row) -> list[str]:
    dim = True if row.label == "thinking" else None
    first, *more = (click.style(line, dim=dim) for line in _safe(row.text).split("\n"))
    label = click.style(f"{row.label:<{_LABEL}}", fg=_COLOURS.get(row.label))
    return [f"  {label}{first}", *(f"  {' ' * _LABEL}{line}" if line else "" for line in more)]


def _safe(text: str) -> str:
    """Texts come from clients and models; none of them may steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
