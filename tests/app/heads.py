"""Request heads as the runtimes read them, from what a client writes."""

from __future__ import annotations

from ccproxy.transport.http1 import HeadReader, RequestHead


def head_of(line: str, headers: dict[str, str] | None = None) -> RequestHead:
    """The head of a request that begins with `line` ("POST /v1/messages"). A host header of this machine goes with it
    unless `headers` name another; an empty one goes with no value left out: it is not sent."""
    fields = {"host": "127.0.0.1:11434", **(headers or {})}
    lines = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
    if not fields["host"]:
        lines[0] = f"{line} HTTP/1.0"
    head = HeadReader.server().feed("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    assert isinstance(head, RequestHead)
    return head
