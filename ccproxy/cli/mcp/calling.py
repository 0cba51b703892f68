"""`ccproxy mcp call`"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ccproxy.cli import options
from ccproxy.cli.mcp.reach import reached
from ccproxy.cli.mcp.running import mcp_config, run
from ccproxy.cli.show import in_json

if TYPE_CHECKING:
    from mcp_types import CallToolResult

    from ccproxy.config import Config


@click.command("call")
@click.argument("tool")
@click.argument("arguments", default="{}", metavar="[ARGUMENTS]")
@click.option("--group", default="", shell_complete=options.groups, help="Among this group's tools.")
@options.json_option
@options.config_option
@options.port_option
def call(tool: str, arguments: str, group: str, as_json: bool, file: str | None, port: int | None) -> None:
    """Call TOOL with ARGUMENTS, a JSON object ("-": read from standard input), and show the result.

    ccproxy mcp call files__read_text_file '{"path": "notes.txt"}'

    Progress goes to standard error. Exit code 1 when the tool answers with an error."""
    given = _given(arguments)
    result = run(_called, mcp_config(file, group, port), group, tool, given)
    if as_json:
        in_json(_wire(result))
    else:
        for line in shown(_wire(result)):
            click.echo(line)
    if result.is_error:
        raise SystemExit(1)


def _given(text: str) -> dict[str, Any]:
    try:
        document = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise click.BadParameter(f"is not JSON: {error}", param_hint="ARGUMENTS") from None
    if not isinstance(document, dict):
        raise click.BadParameter('must be an object, as in \'{"path": "x"}\'', param_hint="ARGUMENTS")
    return document


async def _called(config: Config, group: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    async with reached(config, group) as reach:
        return await reach.call(tool, arguments, _progress)


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    click.echo(f"{progress:g}{f' of {total:g}' if total else ''}{f': {message}' if message else ''}", err=True)


def _wire(result: CallToolResult) -> dict[str, Any]:
    document: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


def shown(result: dict[str, Any]) -> Iterator[str]:
    """A result for people: its texts, and in a line each what a terminal cannot show."""
    content = result.get("content", [])
    for part in content:
        yield _PARTS.get(part["type"], _other)(part)
    if not any(part["type"] == "text" for part in content) and "structuredContent" in result:
        yield json.dumps(result["structuredContent"], indent=2, ensure_ascii=False)


def _media(part: dict[str, Any]) -> str:
    return f"[{part['type']}: {part['mimeType']}, {len(part['data']) * 3 // 4:,} bytes]"


def _resource(part: dict[str, Any]) -> str:
    inner = part["resource"]
    if "text" in inner:
        return f"[resource: {inner['uri']}]\n{inner['text']}"
    return f"[resource: {inner['uri']}, {len(inner.get('blob', '')) * 3 // 4:,} bytes]"


def _text(part: dict[str, Any]) -> str:
    text: str = part["text"]
    return text


def _link(part: dict[str, Any]) -> str:
    return f"[resource: {part.get('title') or part['name']}, {part['uri']}]"


def _other(part: dict[str, Any]) -> str:
    return f"[{part['type']}]"


_PARTS = {
    "text": _text,
    "image": _media,
    "audio": _media,
    "resource": _resource,
    "resource_link": _link,
}
