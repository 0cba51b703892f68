"""What of a wish a protocol holds, by the table in `tests/protocols/middle.py`: the request judge's measure.

`held(wish, target)` is the wish as that protocol's documents can say it, and the rows that had to be applied. Each row's
`what` has a function here; what no row names is demanded whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.fakes.asking.wishes import BEGINNINGS, JOINT, Said, Wish, add_text
from tests.protocols.middle import ANY, REQUESTS, Row


class Refused(Exception):
    """The table says that this protocol refuses the request."""


def held(wish: Wish, target: str) -> tuple[Wish, list[Row]]:
    """Raises Refused with the row."""
    wish = deepcopy(wish)
    order = list(RULES)
    rows = [row for row in REQUESTS if row.protocol in (target, ANY) and row.what in RULES]
    applied = [row for row in sorted(rows, key=lambda row: order.index(row.what)) if _changes(wish, row)]
    _merge(wish)
    return wish, applied


def _changes(wish: Wish, row: Row) -> bool:
    before = deepcopy(wish)
    RULES[row.what](wish, row)
    return wish != before


def _merge(wish: Wish) -> None:
    merged: list[Said] = []
    for fact in wish.said:
        if fact[1] in ("text", "refusal") and merged and merged[-1][:2] == fact[:2]:
            add_text(merged, *fact)
        else:
            merged.append(fact)
    wish.said = merged


# ---------------------------------------------------------------------------------------------------------------------
# What is said

_Rewrite = Callable[[Said, Row], list[Said]]


def _each(rewrite: _Rewrite, *kinds: str) -> Callable[[Wish, Row], None]:
    """A rule that puts other facts in the place of each fact of these kinds, in results too."""

    def within(facts: list[Said], row: Row) -> list[Said]:
        return [new for fact in facts for new in one(fact, row)]

    def one(fact: Said, row: Row) -> list[Said]:
        if fact[1] == "result":
            fact = (*fact[:3], _as_one(within(fact[3], row)), fact[4])
        return rewrite(fact, row) if fact[1] in kinds else [fact]

    def rule(wish: Wish, row: Row) -> None:
        wish.said = within(wish.said, row)

    return rule


def _as_one(facts: list[Said]) -> list[Said]:
    made: list[Said] = []
    for fact in facts:
        if fact[1] == "text":
            add_text(made, *fact)
        else:
            made.append(fact)
    return made


def _gone(fact: Said, row: Row) -> list[Said]:
    return []


def _media_rule(kind: str, source: str) -> Callable[[Wish, Row], None]:
    def rewrite(fact: Said, row: Row) -> list[Said]:
        if source == "video":
            meant = fact[4] == "video"
        else:
            meant = source in ("", fact[2]) and (kind != "document" or fact[4] != "video")
        if not meant:
            return [fact]
        if row.instead == "refused":
            raise Refused(row)
        if row.instead == "text":
            name = f"{fact[5]}{JOINT}" if fact[5] else ""
            return [(fact[0], "text", name + fact[3])]
        return _stand_in(fact, row)

    return _each(rewrite, kind)


def _named(fact: Said, row: Row) -> list[Said]:
    """The API wants a name beside data."""
    if fact[2] != "data" or fact[5] or fact[4] == "video":
        return [fact]
    return [(*fact[:5], row.instead.format(fact[4].rpartition("/")[2] or "pdf"))]


def _odd_audio(fact: Said, row: Row) -> list[Said]:
    return [fact] if fact[4] in ("mp3", "wav") else _stand_in(fact, row)


def _odd_image(fact: Said, row: Row) -> list[Said]:
    known = fact[2] != "data" or any(fact[3].startswith(one) for one in BEGINNINGS)
    return [fact] if known else _stand_in(fact, row)


def _odd_document(fact: Said, row: Row) -> list[Said]:
    return [fact] if fact[2] != "data" or fact[4] == "application/pdf" else _stand_in(fact, row)


def _stand_in(fact: Said, row: Row) -> list[Said]:
    name = f" {fact[5]}" if fact[1] == "document" and fact[5] else ""
    return [(fact[0], "text", f"[{fact[1]}{name} left out: the {row.protocol} protocol has no place for it here]")]


def _beside(wish: Wish, row: Row) -> None:
    """Media of results goes behind all of them, with a word on where it comes from."""
    made: list[Said] = []
    waiting: list[Said] = []
    for fact in [*wish.said, ("", "end")]:
        if fact[1] != "result":
            made += waiting
            waiting = []
            made += [fact] if fact[1] != "end" else []
            continue
        shown = [one for one in fact[3] if one[1] not in ("text", "opaque")]
        kept = [one for one in fact[3] if one not in shown]
        if shown and not kept and row.protocol == "openai":
            kept = [("", "text", "[shown in the next message]")]
        made.append((*fact[:3], kept, fact[4]))
        for one in shown if row.protocol == "gemini" else [shown] if shown else []:
            waiting.append(("user", "text", SHOWN))
            waiting += [("user", *each[1:]) for each in ([one] if row.protocol == "gemini" else one)]
    wish.said = made


SHOWN, ORPHAN = "\u241bshown", "\u241borphan"
"""Stand for our words that say which result a picture belongs to, and that a result has no call."""

_OURS = {
    SHOWN: r"\[?From the result of [^\n]*?:\]?",
    ORPHAN: r"\[Result of an earlier tool call[^\n\]]*\]",
}


def _orphan(fact: Said, row: Row) -> list[Said]:
    if fact[2] is not None:
        return [fact]
    return [("user", "text", ORPHAN), *(("user", *one[1:]) for one in fact[3])]


def _ordered(kinds: str, speaker: str) -> Callable[[Wish, Row], None]:
    """Within one turn, by kind."""
    order = kinds.split()

    def rule(wish: Wish, row: Row) -> None:
        made: list[Said] = []
        turn: list[Said] = []
        for fact in [*wish.said, ("", "end")]:
            if fact[0] == speaker:
                turn.append(fact)
                continue
            made += sorted(turn, key=lambda one: order.index(one[1] if one[1] in order else "text"))
            turn = []
            made += [fact] if fact[1] != "end" else []
        wish.said = made

    return rule


def _user_order(wish: Wish, row: Row) -> None:
    _ordered("image text", "user")(wish, row)
    wish.said = [
        (*fact[:3], sorted(fact[3], key=lambda one: one[1] != "image"), fact[4]) if fact[1] == "result" else fact
        for fact in wish.said
    ]


def _tagged(fact: Said, row: Row) -> list[Said]:
    if fact[0] != "system":
        return [fact]
    return [("user", "text", JOINT.join(f"<system>\n{one}\n</system>" for one in fact[2].split(JOINT)))]


def _prefill(wish: Wish, row: Row) -> None:
    if not wish.said or wish.said[-1][0] != "assistant":
        return
    last = wish.said[-1]
    if row.instead != "trimmed":
        wish.said.append(("user", "text", "Continue."))
    elif last[1] == "text":
        wish.said[-1] = (*last[:2], last[2].rstrip())


def _first_user(wish: Wish, row: Row) -> None:
    if not wish.said or wish.said[0][0] == "assistant":
        wish.said.insert(0, ("user", "text", row.instead))


# ---------------------------------------------------------------------------------------------------------------------
# Tools and settings


def _no_servers(wish: Wish, row: Row) -> None:
    wish.tools = [tool for tool in wish.tools if tool[4] != "server"]
    names = {tool[0] for tool in wish.tools}
    if isinstance(wish.choice, tuple) and wish.choice[0] == "tool" and wish.choice[1] not in names:
        wish.choice = "auto"
    if isinstance(wish.choice, tuple) and wish.choice[0] == "allowed":
        wish.choice = (*wish.choice[:2], tuple(name for name in wish.choice[2] if name in names))
    if not wish.tools:
        wish.choice, wish.parallel = None, True


def _no_strict(wish: Wish, row: Row) -> None:
    wish.tools = [(*tool[:3], False, tool[4]) for tool in wish.tools]


FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _custom_tool(wish: Wish, row: Row) -> None:
    wish.tools = [(tool[0], tool[1], FREE_TEXT, False, "function") if tool[4] == "custom" else tool for tool in wish.tools]


def _custom_call(fact: Said, row: Row) -> list[Said]:
    if fact[5] != "custom":
        return [fact]
    return [(*fact[:4], json.dumps({"input": fact[4]}, ensure_ascii=False), "function")]


def _allowed(wish: Wish, row: Row) -> None:
    if isinstance(wish.choice, tuple) and wish.choice[0] == "allowed":
        wish.tools = [tool for tool in wish.tools if tool[0] in wish.choice[2]]
        wish.choice = wish.choice[1]


def _chosen(wish: Wish, row: Row) -> None:
    """One tool that must be called is that tool."""
    choice = wish.choice
    if isinstance(choice, tuple) and choice[:2] == ("allowed", "required") and len(choice[2]) == 1:
        wish.choice = ("tool", choice[2][0])


def _left_tools(wish: Wish, row: Row) -> None:
    """Ollama: the tools that the choice leaves."""
    choice = wish.choice
    if choice == "none":
        wish.tools = []
    elif isinstance(choice, tuple):
        names = choice[2] if choice[0] == "allowed" else (choice[1],)
        wish.tools = [tool for tool in wish.tools if tool[0] in names]
    wish.choice = "auto" if wish.tools else None
    wish.parallel = wish.parallel or not wish.tools


def _without(name: str) -> Callable[[Wish, Row], None]:
    def rule(wish: Wish, row: Row) -> None:
        if name in wish.settings and row.instead == "refused":
            raise Refused(row)
        wish.settings.pop(name, None)

    return rule


def _sampling(name: str) -> Callable[[Wish, Row], None]:
    def rule(wish: Wish, row: Row) -> None:
        value = wish.settings.get(f"sampling.{name}")
        if value is not None:
            kept = _INSTEAD[row.instead](value, wish)
            wish.settings |= {f"sampling.{name}": kept}
            if kept is None:
                del wish.settings[f"sampling.{name}"]

    return rule


def _claude_thinks(wish: Wish) -> bool:
    return wish.settings.get("thinking") not in (None, "off")


_INSTEAD: dict[str, Callable[[Any, Wish], Any]] = {
    "left out": lambda value, wish: None,
    "left out beside temperature": lambda value, wish: (
        None if _claude_thinks(wish) or "sampling.temperature" in wish.settings else value
    ),
    "left out with thinking": lambda value, wish: None if _claude_thinks(wish) else value,
    "within 0 and 1": lambda value, wish: None if _claude_thinks(wish) and value != 1 else min(max(value, 0), 1),
    "within 0 and 2": lambda value, wish: min(max(value, 0), 2),
    "left out where blank": lambda value, wish: [one for one in value if one.strip()],
    "at least 16": lambda value, wish: max(value, 16),
    "the first 4": lambda value, wish: value[:4],
    "the first 5": lambda value, wish: value[:5],
}


def _limit(wish: Wish, row: Row) -> None:
    wish.settings.setdefault("sampling.max_tokens", int(row.instead))


def _thinking(wish: Wish, row: Row) -> None:
    """Claude: a budget needs room below the limit of the answer."""
    if _claude_thinks(wish) and wish.settings.get("sampling.max_tokens", 32000) <= 1024:
        del wish.settings["thinking"]
    if wish.settings.get("thinking") == "on":
        wish.settings["thinking"] = "medium"


def _budgeted(wish: Wish, row: Row) -> None:
    """Claude: half of the limit, where the budget would not fit below it."""
    word = wish.settings.get("thinking")
    limit = wish.settings.get("sampling.max_tokens", 32000)
    if _claude_thinks(wish) and _BUDGETS[word] >= limit:
        wish.settings["thinking"] = "low" if limit // 2 <= 4096 else "medium" if limit // 2 <= 16384 else "high"


_BUDGETS = {"low": 1024, "medium": 8192, "high": 24576}


def _shown(wish: Wish, row: Row) -> None:
    hidden = wish.settings.pop("hidden", None) and row.instead == "with thinking, unless hidden"
    hidden = hidden or row.instead == "left out" or not _claude_thinks(wish)
    wish.settings.pop("shown", None)
    wish.settings |= {} if hidden else {"shown": True}


def _hidden(wish: Wish, row: Row) -> None:
    wish.settings.pop("hidden", None)
    if row.instead != "left out" and "thinking" in wish.settings and "shown" not in wish.settings:
        wish.settings["hidden"] = True


def _forced(wish: Wish, row: Row) -> None:
    if _claude_thinks(wish) and (
        wish.choice == "required" or (isinstance(wish.choice, tuple) and wish.choice[0] == "tool")
    ):
        wish.choice = "auto"


def _thinking_word(word: str) -> Callable[[Wish, Row], None]:
    def rule(wish: Wish, row: Row) -> None:
        said = wish.settings.get("thinking")
        if word == "off" and "none" in wish.settings:  # said in so many words
            return
        if said == word or (word == "effort" and said in _BUDGETS):
            wish.settings["thinking"] = row.instead
            if row.instead in ("left out", "shown"):
                del wish.settings["thinking"]

    return rule


def _format_json(wish: Wish, row: Row) -> None:
    if wish.settings.get("format") == ("json",):
        del wish.settings["format"]
        wish.system = JOINT.join([wish.system, row.instead] if wish.system else [row.instead])


def _format_member(place: int, empty: Any) -> Callable[[Wish, Row], None]:
    def rule(wish: Wish, row: Row) -> None:
        format = wish.settings.get("format")
        if format and format[0] == "json_schema":
            wish.settings["format"] = (*format[:place], empty, *format[place + 1 :])

    return rule


def _format_name(wish: Wish, row: Row) -> None:
    """The API demands a name."""
    format = wish.settings.get("format")
    if format and format[0] == "json_schema" and not format[2]:
        wish.settings["format"] = (*format[:2], row.instead, *format[3:])


def _format_closed(wish: Wish, row: Row) -> None:
    format = wish.settings.get("format")
    if format and format[0] == "json_schema":
        wish.settings["format"] = (format[0], _closed(format[1]), *format[2:])


_CLOSED = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "allOf",
        "description",
        "title",
        "default",
        "format",
        "nullable",
    ]
)


def _closed(schema: Any) -> Any:
    """Every object closed, and no keyword that structured outputs do not take."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if key in _CLOSED}
    for key in made.keys() & {"items", "anyOf", "allOf"}:
        made[key] = _closed(made[key])
    if "properties" in made:
        made["properties"] = {name: _closed(one) for name, one in made["properties"].items()}
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
    return made


def _no_marks(wish: Wish, row: Row) -> None:
    wish.marks = 0 if row.instead == "left out" else min(wish.marks, 4)


def _no_own(wish: Wish, row: Row) -> None:
    wish.own = []


_KEPT = frozenset({"prompt", "conversation", "previous_response_id", "cachedContent"})


def _input_kept(wish: Wish, row: Row) -> None:
    if _KEPT & set(wish.own):
        raise Refused(row)


def _no_parallel(wish: Wish, row: Row) -> None:
    wish.parallel = True


def _thought_text(fact: Said, row: Row) -> list[Said]:
    return [(*fact[:3], False)] if fact[2] else []


def _no_error(fact: Said, row: Row) -> list[Said]:
    return [(*fact[:4], False)]


def _missing(wish: Wish, row: Row) -> None:
    """A call that nothing answers is answered in its place among the others' results."""
    made: list[Said] = []
    answered = {fact[2] for fact in wish.said if fact[1] == "result"}
    waiting: list[Said] = []
    for fact in [*wish.said, ("", "end")]:
        if fact[1] == "call" and fact[2] not in answered:
            waiting.append(("tool", "result", fact[2], [("", "text", row.instead)], True))
        if waiting and fact[1] == "result":
            waiting.append(fact)
            continue
        if fact[0] != "assistant":
            made += sorted(waiting, key=lambda one: one[2])
            waiting = []
        made += [fact] if fact[1] != "end" else []
    wish.said = made


RULES: dict[str, Callable[[Wish, Row], None]] = {
    "result.missing": _missing,
    "result.orphan": _each(_orphan, "result"),
    "input.kept": _input_kept,
    "part.opaque": _each(_gone, "opaque"),
    "proof.alone": _each(_gone, "proof"),
    "thought.foreign": _each(_gone, "thought"),
    "thought.redacted": _each(lambda fact, row: [fact] if fact[2] else [], "thought"),
    "proof": _each(_thought_text, "thought"),
    "proof.foreign": _each(_thought_text, "thought"),
    "refusal": _each(lambda fact, row: [(fact[0], "text", fact[2])], "refusal"),
    "result.is_error": _each(_no_error, "result"),
    "image.file_id": _media_rule("image", "file_id"),
    "image.url": _media_rule("image", "url"),
    "image.detail": _each(lambda fact, row: [(*fact[:4], "")], "image"),
    "document.file_id": _media_rule("document", "file_id"),
    "document.url": _media_rule("document", "url"),
    "document.data": _media_rule("document", "data"),
    "document.video": _media_rule("document", "video"),
    "document.text": _media_rule("document", "text"),
    "document.name": _each(lambda fact, row: [(*fact[:5], "")], "document"),
    "document.named": _each(_named, "document"),
    "audio": _media_rule("audio", ""),
    "audio.url": _media_rule("audio", "url"),
    "audio.format": _each(_odd_audio, "audio"),
    "image.type": _each(_odd_image, "image"),
    "document.type": _each(_odd_document, "document"),
    "result.media": _beside,
    "assistant.order": _ordered("thought text refusal call", "assistant"),
    "user.order": _user_order,
    "system.later": _each(_tagged, "text"),
    "prefill": _prefill,
    "turn.first": _first_user,
    "tool.server": _no_servers,
    "tool.custom": _custom_tool,
    "call.custom": _each(_custom_call, "call"),
    "choice.allowed": _allowed,
    "choice.one": _chosen,
    "choice": _left_tools,
    "tool.strict": _no_strict,
    "parallel": _no_parallel,
    "thinking.adaptive": _thinking_word("adaptive"),
    "thinking": _thinking,
    "thinking.budget": _budgeted,
    "thinking.off": _thinking_word("off"),
    "thinking.on": _thinking_word("on"),
    "thinking.effort": _thinking_word("effort"),
    "thinking.shown": _shown,
    "thinking.hidden": _hidden,
    "choice.forced": _forced,
    "max_tokens": _limit,
    "format.json": _format_json,
    "format.name": _format_member(2, ""),
    "format.named": _format_name,
    "format.description": _format_member(3, ""),
    "format.strict": _format_member(4, False),
    "format.closed": _format_closed,
    "cache": _no_marks,
    "own": _no_own,
    **{name: _without(name) for name in ("n", "user", "metadata", "store", "logprobs")},
    **{
        f"sampling.{name}": _sampling(name)
        for name in (
            [
                "temperature",
                "top_p",
                "top_k",
                "min_p",
                "seed",
                "frequency_penalty",
                "presence_penalty",
                "repeat_penalty",
                "max_tokens",
                "stop",
            ]
        )
    },
}
"""`what` of a row -> what it does to a wish."""


# ---------------------------------------------------------------------------------------------------------------------
# Comparing


_ASIDE = frozenset({"hidden", "none"})
"""What is no setting of its own: thoughts are hidden by default, too, and thinking is off by whatever word."""


def aligned(found: Wish, expected: Wish) -> Wish:
    """`found` with each of its texts as `expected` has it, where they differ in nothing but the joints between pieces."""
    found = deepcopy(found)
    aside = {key: value for key, value in expected.settings.items() if key in _ASIDE}
    found.settings = {key: value for key, value in found.settings.items() if key not in _ASIDE} | aside
    found.system = _fit(found.system, expected.system)
    if len(found.said) == len(expected.said):
        found.said = [_fit_fact(one, other) for one, other in zip(found.said, expected.said, strict=True)]
    return found


def _fit_fact(found: Said, expected: Said) -> Said:
    if found[:2] != expected[:2]:
        return found
    if found[1] in ("text", "refusal", "thought"):
        return (*found[:2], _fit(found[2], expected[2]), *found[3:])
    if found[1] == "result" and len(found[3]) == len(expected[3]):
        inside = [_fit_fact(one, other) for one, other in zip(found[3], expected[3], strict=True)]
        return (*found[:3], inside, *found[4:])
    return found


def _fit(found: str, expected: str) -> str:
    if found == expected:
        return found
    joint = f"[{JOINT}\n]{{0,3}}"
    pattern = joint.join(_OURS.get(piece, re.escape(piece)) for piece in expected.split(JOINT))
    if re.fullmatch(pattern, found.replace(JOINT, "\n") if JOINT not in pattern else found) or _same_json(found, expected):
        return expected
    return found


def _same_json(found: str, expected: str) -> bool:
    """Whether both are the JSON of one object or list, keys in the same order: Gemini's results are objects."""
    try:
        return found.lstrip()[:1] in ("{", "[") and json.dumps(json.loads(found)) == json.dumps(json.loads(expected))
    except ValueError:
        return False
