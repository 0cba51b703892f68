"""`ccproxy convert`: the library's converters on files, for looking and for scripts.

The result goes to stdout, laid out for reading on a terminal and as its bytes are otherwise; path, headers and notes go
to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import click

from ccproxy.protocols import PROTOCOLS

Command = TypeVar("Command", bound=Callable[..., Any])

_CHUNK = 64 * 1024


_PROTOCOL = click.Choice(list(PROTOCOLS))


def _sides(function: Command) -> Command:
    """The options and the argument that every kind has."""
    function = click.argument("file", type=click.File("rb"), default="-")(function)
    function = click.option("--to", "target", type=_PROTOCOL, required=True, help="What it becomes.")(function)
    return click.option("--from", "source", type=_PROTOCOL, required=True, help="What it is.")(function)


@click.group("convert", epilog="Example: ccproxy convert request --from claude --to openai request.json")
def command() -> None:
    """Convert a request, an answer or a stream between two protocols.

    FILE is read, or stdin; the result goes to stdout, path, headers and notes to stderr.
    """


@command.command()
@_sides
@click.option("--model", default="", help="The target's model; else the one that the request names.")
@click.option(
    "--stream/--no-stream", default=None, help="Where the path and not the body says it, as in Gemini's protocol."
)
@click.option("--compat", is_flag=True, help="Tools as text, for a model without tool calls.")
def request(source: str, target: str, file: BinaryIO, model: str, stream: bool | None, compat: bool) -> None:
    """A client's request, as an upstream gets it."""
    from ccproxy.convert import convert_request
    from ccproxy.errors import CcproxyError

    try:
        converted = convert_request(file.read(), source=source, target=target, model=model, stream=stream, compat=compat)
    except CcproxyError as error:
        raise SystemExit(_told(error)) from None
    click.echo(f"POST {converted.path}", err=True)
    for name, value in converted.headers.items():
        click.echo(f"{name}: {value}", err=True)
    _notes(converted.notes)
    _write_document(converted.body)


@command.command()
@_sides
@click.option("--model", default="", help="The name that the client asked for.")
def answer(source: str, target: str, file: BinaryIO, model: str) -> None:
    """An upstream's whole answer, as a client gets it."""
    from ccproxy.convert import convert_response, new_context
    from ccproxy.errors import CcproxyError

    context = new_context(client=target, upstream=source, model=model)
    try:
        document = convert_response(file.read(), context)
    except CcproxyError as error:
        raise SystemExit(_told(error)) from None
    _notes(context.notes)
    _write_document(document)


@command.command()
@_sides
@click.option("--model", default="", help="The name that the client asked for.")
def stream(source: str, target: str, file: BinaryIO, model: str) -> None:
    """An upstream's stream, as a client gets it.

    Piece by piece, as it comes.
    """
    from ccproxy.convert import StreamConverter, new_context
    from ccproxy.errors import CcproxyError

    context = new_context(client=target, upstream=source, model=model, stream=True)
    converter = StreamConverter(context)
    out = sys.stdout.buffer
    while data := _some(file):
        out.write(converter.feed(data))
        out.flush()
    out.write(converter.close())
    out.flush()
    _notes(context.notes)
    if isinstance(converter.failure, CcproxyError):
        raise SystemExit(_told(converter.failure))


def _some(file: BinaryIO) -> bytes:
    """What is there, without waiting for a whole chunk."""
    read = getattr(file, "read1", file.read)
    data: bytes = read(_CHUNK)
    return data


def _told(error: Any) -> int:
    """Says the error; returns the exit code."""
    click.secho(f"{error.param}: {error.message}" if error.param else error.message, fg="red", err=True)
    return 1


def _notes(notes: Any) -> None:
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _write_document(document: bytes) -> None:
    out = sys.stdout.buffer
    if out.isatty():
        document = json.dumps(json.loads(document), indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
    out.write(document + b"\n")
    out.flush()
