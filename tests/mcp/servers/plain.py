"""An MCP server on the SDK for the tests, over stdio or, with a port, over Streamable HTTP (`sse`: the older transport).
What it can is named in its tools; it keeps nothing but what it notes in the file that `$PLAIN_LOG` names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import ResourceLink, TextContent, ToolAnnotations
from pydantic import BaseModel

server = MCPServer("plain", version="7", instructions="for tests")


class Weather(BaseModel):
    city: str
    degrees: float


@server.tool(title="Adds", annotations=ToolAnnotations(read_only_hint=True, title="Adds numbers"))
def add(a: int, b: int) -> int:
    """a + b"""
    return a + b


@server.tool()
def echo(text: str) -> str:
    """What it was given."""
    return text


@server.tool()
def weather(city: str) -> Weather:
    """Structured."""
    return Weather(city=city, degrees=21.5)


@server.tool()
def picture() -> Image:
    """Three bytes that are called a PNG."""
    return Image(data=b"png", format="png")


@server.tool()
def linked() -> ResourceLink:
    """A link."""
    return ResourceLink(type="resource_link", uri="plain://notes/1", name="note 1")


@server.tool()
def fails() -> str:
    """An error that the model reads."""
    raise ValueError("as it was ordered")


@server.tool()
def variable(name: str) -> str:
    """Of this process's environment."""
    return os.environ.get(name, "(none)")


@server.tool()
def process() -> int:
    """Its number."""
    return os.getpid()


@server.tool()
async def slow(seconds: float, ctx: Context) -> str:  # type: ignore[type-arg]
    """Tells its progress ten times, and `$PLAIN_LOG` how it ended."""
    note("slow begins")
    try:
        for i in range(10):
            await ctx.report_progress(i + 1, 10, f"step {i + 1}")
            await anyio.sleep(seconds / 10)
    except anyio.get_cancelled_exc_class():
        note("slow cancelled")
        raise
    note("slow ends")
    return "done"


@server.tool()
def dies() -> str:
    """Ends the process in the middle of the call."""
    note("dies")
    os._exit(3)


@server.tool()
def prints(text: str) -> str:
    """Writes what is no message to stdout."""
    print(text, flush=True)
    print(f"to stderr: {text}", file=sys.stderr, flush=True)
    return "printed"


@server.tool()
async def grows(ctx: Context) -> str:  # type: ignore[type-arg]
    """Has one more tool from now on."""

    def grown() -> str:
        """New."""
        return "grown"

    server.add_tool(grown)
    await ctx.session.send_tool_list_changed()
    return "grew"


@server.tool()
async def logs(ctx: Context) -> str:  # type: ignore[type-arg]
    """Sends two log messages."""
    await ctx.session.send_log_message("debug", "quiet", "part")
    await ctx.session.send_log_message("warning", {"loud": True}, "part")
    return "logged"


@server.tool()
async def asks(ctx: Context) -> str:  # type: ignore[type-arg]
    """Wants the client's user to say something."""
    answer = await ctx.session.elicit_form("who?", {"type": "object", "properties": {}})
    return str(answer)


@server.prompt(title="Greets")
def greeting(name: str) -> str:
    """A greeting."""
    return f"Greet {name}."


@server.resource("plain://notes/{number}")
def note_of(number: str) -> str:
    """A note."""
    return f"note {number}"


@server.resource("plain://readme")
def readme() -> str:
    """The readme."""
    return "read me"


def note(what: str) -> None:
    if path := os.environ.get("PLAIN_LOG"):
        with Path(path).open("a") as file:
            file.write(what + "\n")


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        kind = "sse" if "sse" in sys.argv else "streamable-http"
        server.run(kind, host="127.0.0.1", port=int(sys.argv[1]))  # type: ignore[call-overload]
    else:
        server.run("stdio")
