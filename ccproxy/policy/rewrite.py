"""A group's rules on a conversation, before its target is asked: prompts, tools, temperature. Pure.

    Rules ── one per group and provider, made once ── for_model(name) ── None where nothing applies
    apply(rules, request) -> whether the request is another one now

In this order: Claude Code's billing line goes, texts are replaced in what the system says, the group's prompt comes in,
tools go out, the temperature is scaled. What the upstream's range makes of that is its writer's business.

An injected prompt depends on nothing but the rules, and stands where a growing history does not move it: at the end of the
system prompt, or at the beginning of the user's first message. So each turn's request begins as the one before it, byte for
byte, and prompt caches keep hitting.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Literal

from attrs import evolve, frozen

from ccproxy.model import Message, Opaque, Part, Request, Sampling, Text, Tool, ToolChoice

Injection = Literal["off", "enhance", "replace"]
Position = Literal["system", "user"]

BILLING = "x-anthropic-billing-header:"
"""What Claude Code begins its system prompt with, since 2.1: a line that changes with what the user says. Only its maker
takes it out before it looks into the prompt cache; for anybody else's, each turn would begin with something new."""

_BILLING_BYTES = BILLING.encode()

_MAKERS = ("anthropic.com", "claude.com")

PRECISION = 6
"""Decimals of a temperature: 0.7 times 0.7 is 0.49, not 0.48999999999999994."""


def is_makers(host: str) -> bool:
    """Whether the host is one of those that the billing line is meant for."""
    return host.endswith(tuple(f".{maker}" for maker in _MAKERS)) or host in _MAKERS


@frozen(kw_only=True)
class Rules:
    """What is done to the requests of a group for one provider.

    prompt: what is injected, in the system prompt or the user's first message (`position`). models: patterns of the
    client's names for models; to others no rule about prompts applies; empty: to all. replacements: (old, new) texts.
    tool_filter: patterns of names of tools that are removed. temperature_ratio: times what the client said, or 1.0.
    """

    injection: Injection = "off"
    prompt: str = ""
    position: Position = "system"
    models: tuple[str, ...] = ()
    replacements: tuple[tuple[str, str], ...] = ()
    tool_filter: tuple[str, ...] = ()
    temperature_ratio: float = 1.0
    strip_billing_line: bool = False

    def for_model(self, name: str) -> Rules | None:
        """The rules for requests that ask for this name."""
        meant = not self.models or any(fnmatchcase(name, pattern) for pattern in self.models)
        rules = self if meant else evolve(self, models=(), injection="off", replacements=())
        return rules if rules._does_more or rules.strip_billing_line else None

    def for_settings(self) -> Rules:
        """Those about tools and sampling."""
        return evolve(self, injection="off", replacements=(), strip_billing_line=False)

    def for_conversation(self) -> Rules:
        """Those about the system prompt and messages."""
        return evolve(self, tool_filter=(), temperature_ratio=1.0)

    def for_later(self) -> Rules | None:
        """Those about messages that are not the first of a conversation."""
        if not (self.replacements or self.strip_billing_line):
            return None
        return evolve(self.for_conversation(), injection="off")

    def concern(self, body: bytes) -> bool:
        """Whether a request with this body may have to change."""
        return self._does_more or (self.strip_billing_line and _BILLING_BYTES in body)

    @property
    def _does_more(self) -> bool:
        """Than to remove the billing line."""
        return bool(self.injection != "off" or self.replacements or self.tool_filter or self.temperature_ratio != 1)


def apply(rules: Rules, request: Request) -> bool:
    """Changes the request as the rules say; true where that made a difference."""
    touched = rules.strip_billing_line and _reword(request, _without_billing_line)
    if rules.replacements:
        touched = _reword(request, lambda text: _replaced(text, rules.replacements)) or touched
    if rules.injection != "off":
        touched = _inject(request, rules) or touched
    if rules.tool_filter:
        touched = _remove_tools(request, rules.tool_filter) or touched
    if rules.temperature_ratio != 1:
        touched = _scale(request.sampling, rules.temperature_ratio) or touched
    return touched


# ---------------------------------------------------------------------------------------------------------------------
# What the system says


def _reword(request: Request, change: Callable[[str], str]) -> bool:
    """Changes the texts of the system prompt, and of system messages in mid-conversation, where clients put what became of
    it meanwhile. A text that nothing is left of goes: many upstreams refuse empty ones."""
    said = [request.system, *(message.parts for message in request.messages if message.role == "system")]
    touched = [_reword_parts(parts, change) for parts in said]
    if not any(touched):
        return False
    request.messages = [message for message in request.messages if message.parts or message.role != "system"]
    return True


def _reword_parts(parts: list[Part], change: Callable[[str], str]) -> bool:
    touched = False
    for part in [part for part in parts if isinstance(part, Text)]:
        text = change(part.text)
        touched = touched or text != part.text
        if text or not part.text:
            part.text = text
        else:
            parts[:] = [one for one in parts if one is not part]
    return touched


def _without_billing_line(text: str) -> str:
    return text.partition("\n")[2].lstrip("\n") if text.startswith(BILLING) else text


def _replaced(text: str, replacements: tuple[tuple[str, str], ...]) -> str:
    for old, new in replacements:
        text = text.replace(old, new)
    return text


# ---------------------------------------------------------------------------------------------------------------------
# The prompt


def _inject(request: Request, rules: Rules) -> bool:
    in_system = rules.position == "system"
    if rules.injection == "replace":
        removed = _replace_system(request, Text(rules.prompt) if in_system else None)
        return in_system or _begin_with(request, rules.prompt) or removed
    if not in_system:
        return _begin_with(request, rules.prompt)
    add_to_system(request, Text(rules.prompt))
    return True


def _replace_system(request: Request, text: Text | None) -> bool:
    """Puts the text, or nothing, in the place of the whole system prompt, with its last cache mark; true where there was
    one."""
    leading = list(takewhile(lambda message: message.role == "system", request.messages))
    said = [*request.system, *(part for message in leading for part in message.parts)]
    place = leading[0] if leading and not request.system else None
    request.messages = request.messages[len(leading) :]
    request.system = []
    if text is not None:
        text.cache = next((part.cache for part in reversed(said) if part.cache), None)
    if text is not None and place is not None:
        place.parts = [text]
        request.messages.insert(0, place)
    elif text is not None:
        request.system = [text]
    return bool(said)


def add_to_system(request: Request, text: Text) -> None:
    """At the end of the system prompt, wherever that stands. A cache mark at its end moves along, since marks are few."""
    leading = list(takewhile(lambda message: message.role == "system", request.messages))
    # An earlier answer brings its own messages, but no system prompt beside them (API reference, `previous_response_id`).
    parts = leading[-1].parts if leading and not request.previous_id else request.system
    last = parts[-1] if parts else None
    if last is not None and last.cache:
        text.cache, last.cache = last.cache, None
    append(parts, text)


def append(parts: list[Part], text: Text) -> None:
    """At the end, as part of the last text where that is possible, so that a message of one text stays one."""
    last = parts[-1] if parts else None
    if type(last) is Text and not last.cache and not last.citations:
        parts[-1] = evolve(last, text=f"{last.text}\n\n{text.text}" if last.text else text.text, cache=text.cache)
    else:
        parts.append(text)


def _begin_with(request: Request, prompt: str) -> bool:
    """The user's first message begins with the prompt. Not where that message stands in an answer that the request only
    refers to: it was sent with the prompt then."""
    if request.previous_id:
        return False
    first = next((message for message in request.messages if message.role == "user"), None)
    if first is None:
        number = sum(1 for _ in takewhile(lambda message: message.role == "system", request.messages))
        request.messages.insert(number, Message("user", [Text(prompt)]))
        return True
    only = first.parts[0] if len(first.parts) == 1 else None
    if type(only) is Text and not only.cache and not only.citations:
        only.text = f"{prompt}\n\n{only.text}"
    else:
        first.parts.insert(0, Text(prompt))
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Tools


def _remove_tools(request: Request, patterns: tuple[str, ...]) -> bool:
    gone = [tool for tool in request.tools if _is_meant(tool, patterns)]
    if not gone:
        return False
    request.tools = [tool for tool in request.tools if not _is_meant(tool, patterns)]
    request.tool_choice = _mended(request.tool_choice, {name for tool in gone for name in _names(tool)})
    if not request.tools:  # many upstreams refuse words about tools where there are none
        request.tool_choice = request.parallel_tool_calls = None
    return True


def _is_meant(tool: Tool | Opaque, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for name in _names(tool) for pattern in patterns)


def _names(tool: Tool | Opaque) -> list[str]:
    """What a filter may call the tool: its name, within its namespace too; a provider's own by its name, its type, or the
    member that it is."""
    if isinstance(tool, Tool):
        return [tool.name, tool.name.removeprefix(f"{tool.namespace}__")] if tool.namespace else [tool.name]
    raw = tool.raw if isinstance(tool.raw, dict) else {}
    said = [raw[key] for key in ("name", "type") if isinstance(raw.get(key), str)]
    return said or list(raw)


def _mended(choice: ToolChoice | None, gone: set[str]) -> ToolChoice | None:
    """The choice among the tools that are left. Where only such were allowed as are gone, none is: the client wants no
    others to be called."""
    if choice is None or not _mentioned(choice) & gone:
        return choice
    if not choice.allowed:
        return None
    allowed = [name for name in choice.allowed if name not in gone]
    return ToolChoice(choice.mode, allowed=allowed) if allowed else ToolChoice("none")


def _mentioned(choice: ToolChoice) -> set[str]:
    """Names, and types of a provider's own tools, that the choice is among."""
    said = choice.extras.fields if choice.extras is not None else {}
    rows = said.get("tools")
    raw = [said, *(row for row in rows if isinstance(row, dict))] if isinstance(rows, list) else [said]
    words = [row.get(key) for row in raw for key in ("type", "name")]
    return {choice.name, *choice.allowed, *(word for word in words if isinstance(word, str))}


# ---------------------------------------------------------------------------------------------------------------------
# Temperature


def _scale(sampling: Sampling, ratio: float) -> bool:
    said = 1.0 if sampling.temperature is None else sampling.temperature
    sampling.temperature = round(said * ratio, PRECISION)
    return True
