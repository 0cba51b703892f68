"""What the model is told: the tools, and the form in which it calls them.

The form is one element for the call and one for each parameter, with texts as they are. Small models get long texts right
only where they need no escaping, and code in JSON strings is where they slip most; the attributes `name` are what their
training has shown them in several native forms. A tool stands with its JSON schema as the client wrote it, in one line.

The text depends on the tools alone, so that it is the same in each turn and prompt caches keep hitting; what one request
says beside (a tool that must be called) stands with the last message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ccproxy.codec import jsontext
from ccproxy.model import JSON, Tool, ToolChoice
from ccproxy.policy.compat.toolbox import FREE_TEXT, Declared, Parameter, declared

_GUIDE = """\
# Tools

You can call these tools. Each is given with the JSON schema of its parameters.

<tools>
{tools}
</tools>

To call a tool, write exactly this, outside of any code block:

<tool_call name="TOOL">
<parameter name="PARAMETER">VALUE</parameter>
</tool_call>

For example:

{example}

- Use the names of tools and parameters as they are given. Set every required parameter; leave out optional ones that you \
do not need.
- Write a text as it is, over as many lines as it has, without quotes around it and without escaping anything. Write a \
number, true or false, a list or an object as JSON.
- {several}
- End your answer behind the last call. Its result comes with the next message, in <tool_result name="TOOL">. Never write \
a result yourself.
- Do not announce a call without making it. When no tool is needed, just answer."""

_SEVERAL = "Several tools can be called at once: write one <tool_call> behind the other."
_ONE = "Call one tool at a time."


def guide(tools: list[Tool], *, parallel: bool) -> str:
    """The part of the system prompt that describes the tools. parallel: whether several may be called at once."""
    known = [declared(tool) for tool in tools]
    shown = next((tool for tool in known if any(p.streams for p in tool.parameters.values())), known[0])
    described = "\n".join(_described(tool) for tool in known)
    return _GUIDE.format(tools=described, example=example(shown), several=_SEVERAL if parallel else _ONE)


def _described(tool: Declared) -> str:
    lines = [f'<tool name="{tool.name}">', tool.tool.description.strip(), _schema(tool.tool), "</tool>"]
    return "\n".join(filter(None, lines))


def _schema(tool: Tool) -> str:
    if tool.kind != "custom":
        return jsontext.dumps_str(tool.parameters or {"type": "object", "properties": {}})
    text: dict[str, JSON] = {"type": "string"}
    if tool.grammar is not None:
        text["description"] = f"Text of this format: {jsontext.dumps_str(tool.grammar)}"
    return jsontext.dumps_str({"type": "object", "properties": {FREE_TEXT: text}, "required": [FREE_TEXT]})


def example(tool: Declared) -> str:
    """A call of the tool as it should look."""
    names = [name for name in tool.parameters if name in tool.required] or list(tool.parameters)[:1]
    return written(tool.name, [(name, _value(tool.parameters[name])) for name in names])


_VALUES = (
    (r"command|cmd|script", "ls -la"),
    (r"path|file", "src/main.py"),
    (r"city|location|place", "Paris"),
    (r"url|uri|link", "https://example.com"),
    (r"query|pattern|search|regex", "TODO"),
)
_OF_TYPE: dict[str, JSON] = {"integer": 3, "number": 0.5, "boolean": True, "array": [], "object": {}, "null": None}


def _value(parameter: Parameter) -> JSON:
    if parameter.words:
        return parameter.words[0]
    if not parameter.types or "string" in parameter.types:
        return next((value for words, value in _VALUES if re.search(words, parameter.name.casefold())), "some text")
    return next((value for kind, value in _OF_TYPE.items() if kind in parameter.types), "some text")


def written(name: str, arguments: Iterable[tuple[str, JSON]]) -> str:
    """A call in the form that the model is asked for."""
    lines = [f'<parameter name="{key}">{_text(value)}</parameter>' for key, value in arguments]
    return "\n".join([f'<tool_call name="{name}">', *lines, "</tool_call>"])


def _text(value: JSON) -> str:
    """A value as it stands between its tags. Lines of its own are kept apart from the tags, so that none is lost."""
    text = value if isinstance(value, str) else jsontext.dumps_str(value)
    return f"\n{text}\n" if "\n" in text else text


def result_tags(name: str, *, failed: bool) -> tuple[str, str]:
    """What stands before and behind the result of a call."""
    return f'<tool_result name="{name}"{_FAILED if failed else ""}>\n', "\n</tool_result>"


_FAILED = ' error="true"'


def choice_words(choice: ToolChoice | None, tools: list[Tool]) -> str:
    """What the model is told of this request's tool choice, "" for nothing."""
    if choice is None:
        return ""
    said = [_MODES[choice.mode].format(name=choice.name)] if choice.mode in _MODES else []
    if choice.allowed and {tool.name for tool in tools} - set(choice.allowed):
        said.append(f"Of the tools only these may be called now: {', '.join(choice.allowed)}.")
    return " ".join(said)


_MODES = {
    "required": "You must call a tool in this answer.",
    "tool": "You must call the tool {name} in this answer.",
}
