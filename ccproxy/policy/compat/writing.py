"""One call on its way to the client: members in, pieces of the arguments' JSON text out.

    open piece* close    a text, as it comes
    whole                any value, at once

A member that comes twice counts once, the first time, since what was sent cannot be taken back.
"""

from __future__ import annotations

from ccproxy.codec import jsontext
from ccproxy.model import JSON
from ccproxy.policy.compat.toolbox import FREE_TEXT, Declared, Parameter
from ccproxy.policy.compat.values import coerced
from ccproxy.stream import Sink

UNREADABLE = "unreadable_call"
"""The only argument of a call that could not be read; its value is what the model wrote. No tool declares it, so that the
client refuses the call, and the next request, in which it comes back, tells the model why."""


class Writing:
    """Begins the call."""

    def __init__(self, sink: Sink, key: int, id: str, tool: Declared) -> None:
        self.tool = tool
        self._sink = sink
        self._key = key
        self._given: set[str] = set()
        self._muted = False  # the open text is one that was given before
        sink.tool_start(key, id, tool.name, tool.tool.kind)

    def given(self, name: str) -> bool:
        return name in self._given

    def open(self, parameter: Parameter) -> None:
        self._muted = not self._begin(parameter.name)
        if not self._muted and not self.tool.free:
            self._say(f'{self._member(parameter.name)}"')

    def piece(self, text: str) -> None:
        if text and not self._muted:
            self._say(text if self.tool.free else jsontext.dumps_str(text)[1:-1])

    def close(self) -> None:
        if not self._muted and not self.tool.free:
            self._say('"')

    def whole(self, parameter: Parameter, value: JSON) -> None:
        if not self._begin(parameter.name):
            return
        if self.tool.free:
            self._say(value if isinstance(value, str) else jsontext.dumps_str(value))
        else:
            self._say(self._member(parameter.name) + jsontext.dumps_str(value))

    def all(self, arguments: dict[str, JSON]) -> None:
        """Every member, and the end."""
        for name, value in arguments.items():
            parameter = self.tool.parameter(name)
            self.whole(parameter, coerced(value, parameter))
        self.end()

    def end(self) -> None:
        if not self.tool.free:
            self._say("}" if self._given else "{}")
        self._sink.tool_end(self._key)

    def cut(self) -> None:
        """The answer was cut off within this call: its arguments stay what came of them, so that nobody runs it."""
        if not self._given and not self.tool.free:
            self._say("{")
        self._sink.tool_end(self._key)

    def _begin(self, name: str) -> bool:
        if name in self._given or (self.tool.free and name != FREE_TEXT):
            return False
        self._given.add(name)
        return True

    def _member(self, name: str) -> str:
        return f"{'{' if len(self._given) == 1 else ','}{jsontext.dumps_str(name)}:"

    def _say(self, text: str) -> None:
        if text:
            self._sink.tool_arguments(self._key, text)
