"""Compat mode: tools as text, for models without tool calls of their own.

    apply(request, context)     tools into the system prompt, earlier calls and results into text
    stages(context)             what reads calls back out of the answer's text; nothing for a request without tools

`prompt` writes, `history` rewrites; `stage` scans an answer, `opening` tells what begins there, `elements` and `gathering`
read it, `tags`, `documents`, `repair` and `values` know how models write, `toolbox` what they mean.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ccproxy.errors import RequestError
from ccproxy.model import Context, Message, Request, Text, Tool
from ccproxy.policy.compat.history import as_text
from ccproxy.policy.compat.prompt import choice_words, guide
from ccproxy.policy.compat.stage import Calls
from ccproxy.policy.rewrite import add_to_system, append
from ccproxy.stream import Sink, Stage
from ccproxy.turns import settle

__all__ = ["apply", "stages"]


def apply(request: Request, context: Context) -> None:
    """Makes the request one without tools. `context.written_tools` are those that the model is told of. Raises RequestError
    where several answers are asked for at once."""
    if (request.choices or 1) > 1:
        raise RequestError("compat mode gives one answer at a time", code="unsupported", param="n")
    tools = _tools(request, context)
    request.messages = as_text(settle(request.messages, context), tools)
    choice = request.tool_choice
    if tools and (choice is None or choice.mode != "none"):
        text = Text(guide(tools, parallel=request.parallel_tool_calls is not False))
        marked = next((tool for tool in reversed(tools) if tool.cache), None)
        text.cache = marked.cache if marked else None
        add_to_system(request, text)
        _add_to_last(request.messages, choice_words(choice, tools))
        context.written_tools = tools
        context.json_wanted = request.format is not None and request.format.kind != "text"
    request.tools, request.tool_choice, request.parallel_tool_calls = [], None, None


def stages(context: Context) -> list[Callable[[Sink], Stage]]:
    if not context.written_tools:
        return []
    return [partial(Calls, tools=context.written_tools, id=context.id, documents=not context.json_wanted)]


def _tools(request: Request, context: Context) -> list[Tool]:
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    if len(tools) < len(request.tools):
        context.note("server tools were left out: in compat mode only the client's own tools can be called")
    return tools


def _add_to_last(messages: list[Message], words: str) -> None:
    """Behind the user's last words, the nearest to the answer."""
    if not words:
        return
    for message in reversed(messages):
        if message.role == "user":
            append(message.parts, Text(words))
            return
    messages.append(Message("user", [Text(words)]))
