"""A task that cannot be done without reading a file, and a scripted model that does it.

The model knows where the note is and not what it says. It asks for the note with whatever tool for reading the request
offers; when the note's words come back it says them, and says them backwards, which only it does. It reads requests with
the request judge's own readers (`fakes/asking`), not with ccproxy's.

    tools in the request    a call of one, in the upstream's protocol
    tools in the prompt     the same call as text: a model that was never taught to call tools
    no tools                it names the file, which is how aider's models ask for one, and writes the answer into a file
                            in aider's own edit form
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.fakes.asking import JSONObject, Wish, wish_of
from tests.fakes.meaning import Meaning, Spoken
from tests.fakes.server import Asked, Scripted
from tests.fakes.wires import ANSWERS, CONTENT_TYPES, STREAMS

NOTE = "note.txt"
ANSWER = "answer.txt"
RESULT = "<tool_result name="
"""What a result begins with in a compat prompt."""

CODE = "input"
"""The parameter that a custom tool's free text is, for protocols that have none."""

_PATH = re.compile(r"path|file", re.IGNORECASE)
_COMMAND = re.compile(r"cmd|commands?", re.IGNORECASE)
_WRITTEN_TOOL = re.compile(r'^<tool name="([^"]+)">\n(.*?)\n</tool>$', re.DOTALL | re.MULTILINE)


def _secret() -> str:
    return f"heliotrope{secrets.token_hex(6)}"


@frozen
class Errand:
    """folder: where the client works. secret: what the note says."""

    folder: Path
    secret: str = field(factory=_secret)

    @property
    def said(self) -> str:
        """What the model answers once it has read the note."""
        return f"The note says {self.secret}, backwards {self.secret[::-1]}."

    def prepare(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / NOTE).write_text(f"The word of the day is {self.secret}.\n")

    def answer(self, asked: Asked, model: str) -> Scripted:
        """The script of a fake upstream."""
        meaning = self._meaning(wish_of(asked.protocol, asked.document, asked.streams))
        if not asked.streams:
            return Scripted(200, "application/json", [json.dumps(ANSWERS[asked.protocol](meaning)).encode()])
        body = STREAMS[asked.protocol](meaning)
        return Scripted(200, CONTENT_TYPES[asked.protocol], [body[i : i + 200] for i in range(0, len(body), 200)])

    def _meaning(self, wish: Wish) -> Meaning:
        words = texts_of(wish)
        written = written_tools(wish.system)
        if self.secret in words + results_of(wish):
            return Meaning(self.said if wish.tools or written else f"{self.said}\n\n{self._edit()}")
        if results_of(wish) or RESULT in words:
            return Meaning(f"The note has not come: {results_of(wish) or words[-2000:]}")
        if written:
            return self._written(written)
        if wish.tools:
            return self._called({name: schema for name, _, schema, _, kind in wish.tools if kind == "function"})
        return Meaning(f"I have to see {NOTE} first.")

    def _edit(self) -> str:
        """A new file in aider's whole form (aider.chat, "Edit formats")."""
        return f"{ANSWER}\n```\n{self.secret}\n```\n"

    def _called(self, tools: Mapping[str, JSONObject]) -> Meaning:
        name = reader(tools)
        return Meaning(calls=[Spoken(name, self.arguments(tools[name]), "call_read1")], finish="tool_calls")

    def _written(self, tools: Mapping[str, JSONObject]) -> Meaning:
        name = reader(tools)
        values = {key: v if isinstance(v, str) else json.dumps(v) for key, v in self.arguments(tools[name]).items()}
        lines = [f'<parameter name="{key}">{value}</parameter>' for key, value in values.items()]
        return Meaning("\n".join(["I will read it.", "", f'<tool_call name="{name}">', *lines, "</tool_call>"]))

    def arguments(self, schema: JSONObject) -> JSONObject:
        """What is required, and what says which file."""
        required = schema.get("required", [])
        return {
            name: self._argument(name, one)
            for name, one in schema.get("properties", {}).items()
            if name in required or (_says_what(name) and not required)
        }

    def _argument(self, name: str, schema: JSONObject) -> Any:
        if schema.get("enum"):
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "array":
            return [self._argument(name, schema["items"])]
        if kind == "object":
            return self.arguments(schema)
        note = str(self.folder / NOTE)
        if kind == "string" and _says_what(name):
            return note if _PATH.search(name) else f"cat {note}"
        if kind == "string" and name == CODE:
            return f'text(await tools.exec_command({{cmd: "cat {note}"}}));'
        return {"string": "the note", "boolean": False, "integer": 1, "number": 1}.get(str(kind))


def _says_what(name: str) -> bool:
    return bool(_PATH.search(name) or _COMMAND.fullmatch(name))


def reader(tools: Mapping[str, JSONObject]) -> str:
    """The name of the tool to read a file with: one that says so and takes a path, or one that runs commands, or code."""
    for fits in (
        lambda name, one: "read" in name.lower() and _PATH.search(one),
        lambda name, one: _COMMAND.fullmatch(one),
        lambda name, one: name.endswith("exec") and one == CODE,
    ):
        for name, schema in tools.items():
            if any(fits(name, one) for one in schema.get("properties", {})):
                return name
    raise AssertionError(f"no tool to read with among {sorted(tools)}")


def written_tools(system: str) -> dict[str, JSONObject]:
    """The tools that a compat prompt describes: name -> schema, which stands in the last line."""
    return {name: json.loads(body.splitlines()[-1]) for name, body in _WRITTEN_TOOL.findall(system)}


def texts_of(wish: Wish) -> str:
    """All that was said in the conversation, results aside."""
    return "\n".join(fact[2] for fact in wish.said if fact[1] == "text")


def results_of(wish: Wish) -> str:
    return "\n".join(part[2] for fact in wish.said if fact[1] == "result" for part in fact[3] if part[1] == "text")
