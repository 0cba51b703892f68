# ruff: noqa: E501 - what a model writes is easier to read in one line
"""What models write, and what their users and clients get of it.

A case is (name, the model's text, what comes out): texts as strings, calls as (name, arguments), BROKEN for a call that the
client will refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ccproxy.model import Tool
from ccproxy.policy.compat.stage import Calls
from ccproxy.policy.compat.writing import UNREADABLE
from tests.tools import Recorder

WEATHER = Tool(
    "get_weather",
    "The weather of a city",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "days": {"type": "integer"},
            "detailed": {"type": "boolean"},
            "hours": {"type": "array", "items": {"type": "integer"}},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "limits": {"type": "object", "properties": {"low": {"type": "number"}}},
            "wind": {"type": "number"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["city"],
    },
)
READ = Tool(
    "Read",
    "Reads a file",
    {
        "type": "object",
        "properties": {"file_path": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["file_path"],
    },
)
WRITE = Tool(
    "Write",
    "Writes a file",
    {
        "type": "object",
        "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["file_path", "content"],
    },
)
BASH = Tool(
    "Bash",
    "Runs a command",
    {
        "type": "object",
        "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}},
        "required": ["command"],
    },
)
TODO = Tool(
    "TodoWrite",
    "",
    {
        "type": "object",
        "properties": {"todos": {"type": "array", "items": {"type": "object", "properties": {"text": {"type": "string"}}}}},
        "required": ["todos"],
    },
)
FILES = Tool("list_files", "Lists files", {"type": "object", "properties": {"all": {"type": "boolean"}}})
PATCH = Tool("apply_patch", "Applies a patch", kind="custom")
MCP = Tool("mcp__docs__search", "", {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]})
TOOLS = [WEATHER, READ, WRITE, BASH, TODO, FILES, PATCH, MCP]

BROKEN = "broken"
Said = str | tuple[str, Any]


def heard(pieces: Iterable[str], tools: list[Tool] = TOOLS, reason: Any = "stop", documents: bool = True) -> Recorder:
    """The calls that the stage makes of the pieces."""
    recorder = Recorder()
    stage = Calls(recorder, tools, "ab" * 12, documents=documents)
    stage.start("", "", 0)
    for piece in pieces:
        stage.text(piece)
    stage.finish(reason)
    return recorder


def said(recorder: Recorder) -> list[Said]:
    """Texts and calls, in order."""
    found: list[Said] = []
    for call in recorder.calls:
        if call[0] == "text":
            found.append(call[1])
        elif call[0] == "tool_start":
            found.append((call[3], ""))
        elif call[0] == "tool_arguments":
            found[-1] = (found[-1][0], call[2])
    return [one if isinstance(one, str) else (one[0], _arguments(*one)) for one in found]


def _arguments(name: str, text: str) -> Any:
    if name == PATCH.name:
        return text
    arguments = json.loads(text)
    return BROKEN if UNREADABLE in arguments else arguments


PARIS = ("get_weather", {"city": "Paris"})
A, B = ("Read", {"file_path": "a.txt"}), ("Read", {"file_path": "b.txt"})
LS = ("Bash", {"command": "ls -la"})
OURS = '<tool_call name="get_weather">\n<parameter name="city">Paris</parameter>\n</tool_call>'
OUR_A = '<tool_call name="Read">\n<parameter name="file_path">a.txt</parameter>\n</tool_call>'
HERMES = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
NS = "antml" + ":"
CODE = "def f(a, b):\n    return a < b and a << 2 & b > 1\n"


def ours(name: str, **arguments: str) -> str:
    """A call of our own form."""
    lines = [f'<parameter name="{key}">{value}</parameter>' for key, value in arguments.items()]
    return "\n".join([f'<tool_call name="{name}">', *lines, "</tool_call>"])


GOOD: list[tuple[str, str, list[Said]]] = [
    ("ours", OURS, [PARIS]),
    ("ours-on-one-line", OURS.replace("\n", ""), [PARIS]),
    ("text-before", f"I will look.\n\n{OURS}", ["I will look.\n\n", PARIS]),
    ("text-after", f"{OURS}\n\nLet me see.", [PARIS, "Let me see."]),
    ("text-between", f"One.\n{OURS}\nTwo.\n{OUR_A}", ["One.\n", PARIS, "Two.\n", A]),
    ("two-calls", f"{OURS}\n{OUR_A}\n", [PARIS, A]),
    ("white-space-only-before", f"\n\n{OURS}\n", [PARIS]),
    ("no-parameters", '<tool_call name="list_files">\n</tool_call>', [("list_files", {})]),
    ("integer", ours("get_weather", city="Paris", days="3"), [("get_weather", {"city": "Paris", "days": 3})]),
    ("boolean", ours("get_weather", city="Rom", detailed="true"), [("get_weather", {"city": "Rom", "detailed": True})]),
    ("array", ours("get_weather", city="Rom", hours="[6, 12]"), [("get_weather", {"city": "Rom", "hours": [6, 12]})]),
    ("number", ours("get_weather", city="Rom", wind="1.5"), [("get_weather", {"city": "Rom", "wind": 1.5})]),
    (
        "object",
        ours("get_weather", city="X", limits='{"low": -2}'),
        [("get_weather", {"city": "X", "limits": {"low": -2}})],
    ),
    ("null-where-it-may-be", ours("get_weather", city="X", note="null"), [("get_weather", {"city": "X", "note": None})]),
    ("a-text-that-looks-like-a-number", ours("Read", file_path="007"), [("Read", {"file_path": "007"})]),
    (
        "code-as-it-is",
        f'<tool_call name="Write">\n<parameter name="file_path">a.py</parameter>\n<parameter name="content">\n{CODE}\n'
        "</parameter>\n</tool_call>",
        [("Write", {"file_path": "a.py", "content": CODE})],
    ),
    (
        "markup-as-it-is",
        ours("Write", file_path="a.html", content="<p>a &lt; b &amp; c</p>\n<br>"),
        [("Write", {"file_path": "a.html", "content": "<p>a &lt; b &amp; c</p>\n<br>"})],
    ),
    ("free-text", ours("apply_patch", input="*** Begin\n+a < b"), [("apply_patch", "*** Begin\n+a < b")]),
    ("escapes", ours("Bash", command='echo "a\\n"\tb'), [("Bash", {"command": 'echo "a\\n"\tb'})]),
    ("empty-text", ours("Write", file_path="a", content=""), [("Write", {"file_path": "a", "content": ""})]),
    ("mcp-name", ours("mcp__docs__search", query="x"), [("mcp__docs__search", {"query": "x"})]),
    ("thinking-first", f"<think>I could call\n{OUR_A}</think>\n{OURS}", [f"<think>I could call\n{OUR_A}</think>", PARIS]),
    (
        "cs",
        "<cs:tool_use>\n<id>x1</id>\n<name>get_weather</name>\n<args>\n"
        '<arg name="city" type="string">A &amp; B &lt;C&gt;</arg>\n<arg name="days" type="integer">2</arg>\n'
        "</args>\n</cs:tool_use>",
        [("get_weather", {"city": "A & B <C>", "days": 2})],
    ),
    (
        "cs-array",
        '<cs:tool_use>\n<name>TodoWrite</name>\n<args>\n<arg name="todos" type="array">[\n {"text": "a"}\n]</arg>\n</args>\n'
        "</cs:tool_use>",
        [("TodoWrite", {"todos": [{"text": "a"}]})],
    ),
    (
        "cs-cdata",
        '<cs:tool_use><name>Write</name><args><arg name="file_path">a</arg>'
        '<arg name="content"><![CDATA[<a>&amp;</arg>\n]]></arg></args></cs:tool_use>',
        [("Write", {"file_path": "a", "content": "<a>&amp;</arg>\n"})],
    ),
    ("hermes", HERMES, [PARIS]),
    ("hermes-on-one-line", HERMES.replace("\n", ""), [PARIS]),
    ("hermes-two", f"{HERMES}\n{HERMES}", [PARIS, PARIS]),
    (
        "hermes-two-in-one",
        '<tool_call>\n{"name": "Read", "arguments": {"file_path": "a.txt"}}\n'
        '{"name": "Read", "arguments": {"file_path": "b.txt"}}\n</tool_call>',
        [A, B],
    ),
    (
        "hermes-list",
        '<tool_calls>[{"name": "Read", "arguments": {"file_path": "a.txt"}}, '
        '{"name": "Read", "arguments": {"file_path": "b.txt"}}]</tool_calls>',
        [A, B],
    ),
    ("hermes-arguments-first", '<tool_call>{"arguments": {"city": "Paris"}, "name": "get_weather"}</tool_call>', [PARIS]),
    ("hermes-parameters", '<tool_call>{"name": "get_weather", "parameters": {"city": "Paris"}}</tool_call>', [PARIS]),
    ("hermes-text-after", f"{HERMES}\nDone.", [PARIS, "Done."]),
    (
        "openai-in-a-tag",
        '<tool_call>{"type": "function", "function": {"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}}'
        "</tool_call>",
        [PARIS],
    ),
    (
        "qwen-coder",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
        "</function>\n</tool_call>",
        [("get_weather", {"city": "Paris", "days": 3})],
    ),
    ("qwen-coder-bare", "<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>", [PARIS]),
    (
        "qwen-coder-code",
        f"<tool_call>\n<function=Write>\n<parameter=file_path>\na.py\n</parameter>\n<parameter=content>\n{CODE}\n</parameter>\n"
        "</function>\n</tool_call>",
        [("Write", {"file_path": "a.py", "content": CODE})],
    ),
    ("llama-function", '<function=get_weather>{"city": "Paris"}</function>', [PARIS]),
    (
        "invoke",
        '<function_calls>\n<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n</invoke>\n</function_calls>',
        [PARIS],
    ),
    (
        "invoke-two",
        '<function_calls>\n<invoke name="Read">\n<parameter name="file_path">a.txt</parameter>\n</invoke>\n'
        '<invoke name="Read">\n<parameter name="file_path">b.txt</parameter>\n</invoke>\n</function_calls>',
        [A, B],
    ),
    (
        "invoke-with-a-namespace",
        f'<{NS}function_calls>\n<{NS}invoke name="get_weather">\n<{NS}parameter name="city">Paris</{NS}parameter>\n'
        f"</{NS}invoke>\n</{NS}function_calls>",
        [PARIS],
    ),
    ("invoke-alone", '<invoke name="get_weather"><parameter name="city">Paris</parameter></invoke>', [PARIS]),
    (
        "minimax",
        '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n</invoke>\n'
        "</minimax:tool_call>",
        [PARIS],
    ),
    (
        "deepseek-dsml",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
        '<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
        [PARIS],
    ),
    (
        "glm",
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n"
        "<arg_value>3</arg_value>\n</tool_call>",
        [("get_weather", {"city": "Paris", "days": 3})],
    ),
    ("glm-without-arguments", "<tool_call>list_files\n</tool_call>", [("list_files", {})]),
    ("the-tool-as-tag", "<Read>\n<file_path>a.txt</file_path>\n<limit>5</limit>\n</Read>", [(A[0], {**A[1], "limit": 5})]),
    ("fenced-json", '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```', [PARIS]),
    ("fenced-json-and-text", f'So:\n```\n{{"name": "Read", "arguments": {json.dumps(A[1])}}}\n```\nok', ["So:\n", A, "ok"]),
    ("bare-json", '{"name": "get_weather", "arguments": {"city": "Paris"}}', [PARIS]),
    ("bare-json-with-space", '\n {"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}\n', [PARIS]),
    ("bare-json-list", json.dumps([{"name": n, "arguments": a} for n, a in (A, B)]), [A, B]),
    (
        "bare-json-after-thinking",
        '<think>x</think>\n{"name": "Read", "arguments": {"file_path": "a.txt"}}',
        ["<think>x</think>", A],
    ),
    ("mistral", '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}}]', [PARIS]),
    ("mistral-new", '[TOOL_CALLS]Read[ARGS]{"file_path": "a.txt"}[TOOL_CALLS]Read{"file_path": "b.txt"}', [A, B]),
    ("mistral-with-an-id", 'Ok.[TOOL_CALLS]Read[CALL_ID]abc123def[ARGS]{"file_path": "a.txt"}</s>', ["Ok.", A]),
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
        '{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        [PARIS],
    ),
    (
        "deepseek-new",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>Read<｜tool▁sep｜>{"file_path": "a.txt"}<｜tool▁call▁end｜>'
        '<｜tool▁call▁begin｜>Read<｜tool▁sep｜>{"file_path": "b.txt"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>ok',
        [A, B, "ok"],
    ),
    (
        "kimi",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
        '{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
        [PARIS],
    ),
    ("llama-python-tag", '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}<|eom_id|>', [PARIS]),
]

MENDED: list[tuple[str, str, list[Said]]] = [
    (
        "json-of-no-tool-before-a-call",
        f'<tool_call>{{"name": "send_mail"}}</tool_call>{HERMES}',
        ['<tool_call>{"name": "send_mail"}</tool_call>', PARIS],
    ),
    ("ticks-before-a-call", f"`````\nx\n`````{OURS}", ["`````\nx\n`````", PARIS]),
    ("no-closing-tag-at-the-end", OURS.removesuffix("\n</tool_call>"), [PARIS]),
    ("no-closing-tags-at-all", OURS.removesuffix("</parameter>\n</tool_call>"), [PARIS]),
    ("a-closing-tag-that-was-cut", OURS.removesuffix("all>"), [PARIS]),
    ("no-closing-tag-before-the-next", f"{OURS.removesuffix('</tool_call>')}{OUR_A}", [PARIS, A]),
    ("no-closing-tag-before-text", f"{OURS.removesuffix('</tool_call>')}\nI wait.", [PARIS, "I wait."]),
    (
        "no-closing-parameter-tag",
        '<tool_call name="Write">\n<parameter name="file_path">a\n<parameter name="content">b\n</tool_call>',
        [("Write", {"file_path": "a", "content": "b"})],
    ),
    ("the-wrong-closing-tag", OURS.replace("</parameter>", "</city>").replace("</tool_call>", "</invoke>"), [PARIS]),
    ("a-fence-around", f"```xml\n{OURS}\n```", [PARIS]),
    ("a-fence-around-and-text", f"First:\n```\n{OURS}\n```\nThen.", ["First:\n", PARIS, "Then."]),
    ("a-fence-around-json-in-a-tag", f"```json\n{HERMES}\n```", [PARIS]),
    (
        "a-fence-within",
        '<tool_call>\n```json\n{"name": "Read", "arguments": {"file_path": "a.txt"}}\n```\n</tool_call>',
        [A],
    ),
    (
        "unescaped-less-and-and",
        ours("Bash", command="[ 1 < 2 ] && echo <x> & y"),
        [("Bash", {"command": "[ 1 < 2 ] && echo <x> & y"})],
    ),
    (
        "unescaped-in-cs",
        '<cs:tool_use><name>Bash</name><args><arg name="command">a < b && c &amp; d</arg></args></cs:tool_use>',
        [("Bash", {"command": "a < b && c & d"})],
    ),
    (
        "a-closing-tag-in-code",
        ours("Write", file_path="t.py", content='x = "</parameter>"\ny = "<parameter name=\'z\'>"'),
        [("Write", {"file_path": "t.py", "content": 'x = "</parameter>"\ny = "<parameter name=\'z\'>"'})],
    ),
    ("no-quotes", "<tool_call name=get_weather>\n<parameter name=city>Paris</parameter>\n</tool_call>", [PARIS]),
    ("single-quotes", OURS.replace('"', "'"), [PARIS]),
    ("curly-quotes", OURS.replace('="', "=“").replace('">', "”>"), [PARIS]),
    ("mixed-quotes", OURS.replace('">', "'>"), [PARIS]),
    (
        "single-quoted-json",
        "<tool_call>{'name': 'Bash', 'arguments': {'command': 'echo it's'}}</tool_call>",
        [("Bash", {"command": "echo it's"})],
    ),
    ("trailing-commas", '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris",},}</tool_call>', [PARIS]),
    (
        "python-words",
        "<tool_call>{'name': 'list_files', 'arguments': {'all': True}}</tool_call>",
        [("list_files", {"all": True})],
    ),
    ("keys-without-quotes", '<tool_call>{name: "get_weather", arguments: {city: "Paris"}}</tool_call>', [PARIS]),
    ("braces-missing", '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"</tool_call>', [PARIS]),
    ("a-brace-too-many", '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}}</tool_call>', [PARIS]),
    (
        "a-line-break-in-json",
        '<tool_call>{"name": "Bash", "arguments": {"command": "a\nb"}}</tool_call>',
        [("Bash", {"command": "a\nb"})],
    ),
    (
        "quotes-in-json",
        '<tool_call>{"name": "Bash", "arguments": {"command": "echo "hi" there"}}</tool_call>',
        [("Bash", {"command": 'echo "hi" there'})],
    ),
    (
        "a-comment-in-json",
        '<tool_call>{"name": "Read", // the file\n "arguments": {"file_path": "a.txt"}}</tool_call>',
        [A],
    ),
    ("json-without-its-closing-tag", HERMES.removesuffix("\n</tool_call>"), [PARIS]),
    ("json-without-its-closing-tag-and-text", f"{HERMES.removesuffix('</tool_call>')}Done.", [PARIS, "Done."]),
    ("json-without-its-closing-tag-and-more", f"{HERMES.removesuffix('</tool_call>')}{HERMES}", [PARIS, PARIS]),
    ("json-in-place-of-tags", '<tool_call name="get_weather">\n{"city": "Paris"}\n</tool_call>', [PARIS]),
    (
        "json-with-its-wrapping-in-place-of-tags",
        '<tool_call name="get_weather">{"arguments": {"city": "Paris"}}</tool_call>',
        [PARIS],
    ),
    (
        "json-in-a-parameter-tag",
        '<tool_call name="TodoWrite"><todos>[{"text": "a"},]</todos></tool_call>',
        [("TodoWrite", {"todos": [{"text": "a"}]})],
    ),
    ("flat-json", '<tool_call>{"name": "get_weather", "city": "Paris"}</tool_call>', [PARIS]),
    ("the-name-as-key", '<tool_call>{"get_weather": {"city": "Paris"}}</tool_call>', [PARIS]),
    (
        "arguments-as-a-text",
        '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}</tool_call>',
        [PARIS],
    ),
    ("a-text-for-the-only-argument", '<tool_call name="Bash">ls -la</tool_call>', [LS]),
    (
        "attributes",
        '<tool_call name="get_weather" city="Paris" days="3"/>',
        [("get_weather", {"city": "Paris", "days": 3})],
    ),
    ("attributes-of-the-tool", '<Read file_path="a.txt" />', [A]),
    ("attributes-of-parameters", '<tool_call name="Read">\n<parameter name="file_path" value="a.txt"/>\n</tool_call>', [A]),
    ("a-tag-for-each-parameter", '<tool_call name="get_weather">\n<city>Paris</city>\n</tool_call>', [PARIS]),
    ("other-tags", '<tool_use name="Read"><arg name="file_path">a.txt</arg></tool_use>', [A]),
    ("other-tags-of-old", '<function_call name="Read"><argument name="file_path">a.txt</argument></function_call>', [A]),
    ("a-tag-nearly-right", '<tool_cal name="Read"><paramter name="file_path">a.txt</paramter></tool_cal>', [A]),
    ("a-tag-in-capitals", OURS.replace("tool_call", "ToolCall").replace("parameter", "Parameter"), [PARIS]),
    (
        "a-name-element",
        "<tool_call><name>Read</name><parameters><file_path>a.txt</file_path></parameters></tool_call>",
        [A],
    ),
    ("a-function-element", '<tool_call><function>Read</function><args>{"file_path": "a.txt"}</args></tool_call>', [A]),
    ("a-name-in-other-case", ours("GetWeather", city="Paris"), [PARIS]),
    ("a-name-with-dashes", ours("get-weather", City="Paris"), [PARIS]),
    (
        "a-name-in-a-namespace",
        '<tool_call>{"name": "functions.Read:0", "arguments": {"filePath": "a.txt"}}</tool_call>',
        [A],
    ),
    ("a-name-with-a-slip", ours("get_wether", city="Paris"), [PARIS]),
    (
        "a-number-in-words-of-json",
        '<tool_call>{"name": "Read", "arguments": {"file_path": "a.txt", "limit": "5"}}</tool_call>',
        [(A[0], {**A[1], "limit": 5})],
    ),
    ("a-float-for-an-integer", ours("Read", file_path="a.txt", limit="5.0"), [(A[0], {**A[1], "limit": 5})]),
    (
        "true-in-python",
        ours("get_weather", city="Paris", detailed="True"),
        [("get_weather", {"city": "Paris", "detailed": True})],
    ),
    (
        "a-word-of-the-enum-in-quotes",
        ours("get_weather", city="Paris", unit='"Celsius"'),
        [("get_weather", {"city": "Paris", "unit": "celsius"})],
    ),
    (
        "a-list-in-python",
        ours("get_weather", city="Paris", hours="[1, 2,]"),
        [("get_weather", {"city": "Paris", "hours": [1, 2]})],
    ),
    (
        "items-as-elements",
        ours("get_weather", city="Paris", hours="<item>1</item>\n<item>2</item>"),
        [("get_weather", {"city": "Paris", "hours": [1, 2]})],
    ),
    (
        "one-item-for-a-list",
        ours("get_weather", city="Paris", hours="6"),
        [("get_weather", {"city": "Paris", "hours": [6]})],
    ),
    (
        "an-object-as-elements",
        ours("get_weather", city="Paris", limits="<low>1.5</low>"),
        [("get_weather", {"city": "Paris", "limits": {"low": 1.5}})],
    ),
    (
        "a-parameter-twice",
        ours("Read", file_path="a.txt").replace("</tool_call>", '<parameter name="file_path">b</parameter></tool_call>'),
        [A],
    ),
    ("a-made-up-result", f'{OURS}\n<tool_result name="get_weather">\nsunny\n</tool_result>\nIt is sunny.', [PARIS]),
    ("a-closing-tag-too-many", f"{OURS}\n</tool_call>\n</tool_calls>\nok", [PARIS, "ok"]),
    ("an-unknown-parameter", ours("Read", file_path="a.txt", colour="red"), [(A[0], {**A[1], "colour": "red"})]),
    ("a-text-that-is-no-number", ours("Read", file_path="a.txt", limit="all"), [(A[0], {**A[1], "limit": "all"})]),
    ("a-required-one-forgotten", ours("Bash", timeout="5"), [("Bash", {"timeout": 5})]),
]

HOPELESS: list[tuple[str, str, list[Said]]] = [
    (
        "json-that-is-none",
        '<tool_call>{"name": "Bash", "arguments": {"command": "a", :::}}</tool_call>',
        [("Bash", BROKEN)],
    ),
    (
        "arguments-that-are-a-list",
        '<tool_call>{"name": "Write", "arguments": [1, 2]}</tool_call>\nok',
        [("Write", BROKEN), "ok"],
    ),
    ("words-for-two-arguments", '<tool_call name="Write">write hello to a</tool_call>', [("Write", BROKEN)]),
    ("tokens-and-no-json", '[TOOL_CALLS][{"name": "Bash", "arguments" {{{', [("Bash", BROKEN)]),
    (
        "a-tool-that-would-run-all-the-same",
        '<tool_call>{"name": "list_files", "arguments": [:]}</tool_call>',
        ["[The model's call of list_files could not be read and was not run.]"],
    ),
]

NO_CALLS: list[tuple[str, str]] = [
    ("words", "Just an answer, with a < b, [1] and `code`."),
    ("white-space", " \n\n"),
    ("nothing", ""),
    ("an-undeclared-tool", '<tool_call name="send_mail">\n<parameter name="to">me</parameter>\n</tool_call>'),
    ("an-undeclared-tool-in-json", '<tool_call>{"name": "send_mail", "arguments": {}}</tool_call>'),
    ("an-undeclared-tool-in-bare-json", '{"name": "send_mail", "arguments": {"to": "me"}}'),
    ("an-undeclared-tool-in-tokens", '[TOOL_CALLS] [{"name": "send_mail", "arguments": {}}]'),
    ("a-mention-in-code", 'Write `<tool_call name="Bash">` to run a command.'),
    ("a-mention-in-words", 'A <tool_call name="Bash"> tag begins a call of Bash; it ends with its closing tag.'),
    ("an-example-in-a-block", f"The form is:\n```xml\n<!-- an example -->\n{OURS}\n```\nClear?"),
    (
        "an-example-of-another-tool",
        '```xml\n<tool_call name="send_mail">\n<parameter name="to">x</parameter>\n</tool_call>\n```',
    ),
    ("markup-in-a-block", "```html\n<function name='x'><p>a</p></function>\n```\n<b>bold</b>"),
    ("a-block-of-json", '```json\n{"name": "ccproxy", "version": "1.0", "arguments": {}}\n```'),
    ("a-block-of-json-named-like-a-tool", '```json\n{"name": "Read", "version": "1.0", "arguments": {}}\n```'),
    ("a-block-of-json-with-a-name-only", '```json\n{"name": "Read"}\n```'),
    ("a-block-of-other-json", '```json\n{"city": "Paris", "days": 3}\n```'),
    ("a-block-of-code", "```python\nif a < b:\n    print(`x`)\n```\n"),
    ("bare-json-of-data", '{"name": "Read me", "arguments": {"file_path": "a"}}'),
    ("bare-json-and-words", '{"name": "Read", "arguments": {"file_path": "a"}} is what I would write.'),
    ("bare-json-that-does-not-parse", '{"name": "Read", "arguments": {"file_path": "a"}'),
    ("bare-json-with-more-keys", '{"name": "Bash", "arguments": {"command": "x"}, "comment": "y"}'),
    ("a-list-of-numbers", "[1, 2, 3]"),
    ("a-link", "[TOOLS](https://example.com) and [TOOL"),
    ("html", "<div class='call'><function>x</function></div>"),
    ("another-namespace", '<mix:tool_call>\n{"name": "send_mail"}\n</mix:tool_call> <x:invoke name="Bash">'),
    ("generics", "List<Read> reads a Map<String, List<Bash>>; Read<T> too."),
    ("a-component", "Use <Read /> or <Bash> in JSX."),
    ("a-component-with-children", "<Read>\n  <p>text</p>\n</Read>"),
    ("tags-that-are-nearly-openers", "<tool> <tools> <calls> <toolbox> <functional> <invoker> </tool_call>"),
    ("tokens-in-words", "[TOOL_CALLS] is a token of Mistral's, <|python_tag|> one of Llama's."),
    ("thinking", f"<think>Perhaps\n{OURS}\nno.</think>Hello"),
    ("thinking-without-end", f"<think>Perhaps\n{OURS}"),
    ("an-open-fence", "```\n<tool_call"),
    ("ticks", "`` ` ``` a `` b"),
    ("a-cut-tag", "so <tool_call"),
    ("angles", "<<<>>> << < <|x|> <｜y｜> </ <1"),
]
"""Texts that pass as they are."""
