"""How hard to think: OpenAI's efforts, token budgets, Gemini's levels, on or off; one table turns them into each other.

The budgets are those that Google's OpenAI compatibility layer uses for its efforts ("Thinking with the OpenAI library": low
1,024, medium 8,192, high 24,576), and Claude Code's largest (31,999) for what stands above high.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccproxy.model import Effort, ReasoningOptions, Traits

BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 31_999,
    "max": 31_999,
}


def effort_of(options: ReasoningOptions) -> Effort | None:
    """The effort asked for, from whatever was said; None when nothing was (or only "on" or "adaptive")."""
    if options.enabled is False or options.effort == "none":
        return "none"
    if options.effort is not None:
        return options.effort
    if options.budget is None or options.budget < 0:
        return None
    if options.budget == 0:
        return "none"
    return "low" if options.budget <= 4_096 else "medium" if options.budget <= 16_384 else "high"


def effort_to_send(options: ReasoningOptions) -> Effort | None:
    """The effort for models that think only when told how hard: merely "on" is medium, as OpenRouter reads it ("Reasoning
    tokens", `enabled`). How hard an adaptive one thinks is the model's own choice, so nothing is said."""
    merely_on = options.enabled and not options.adaptive and options.budget is None
    return effort_of(options) or ("medium" if merely_on else None)


def is_asked(options: ReasoningOptions | None) -> bool:
    """Whether the model is asked to think."""
    return options is not None and (effort_of(options) not in (None, "none") or bool(options.enabled or options.adaptive))


def budget_of(options: ReasoningOptions) -> int | None:
    """The token budget asked for; 0 is off; None when nothing was said that tells one."""
    if options.enabled is False or options.effort == "none":
        return 0
    if options.budget is not None:
        return options.budget
    return BUDGETS[options.effort] if options.effort is not None else None


def nearest_effort(effort: Effort, allowed: tuple[Effort, ...]) -> Effort:
    """The allowed effort that is nearest to `effort`, the lower one of two."""
    order = list(BUDGETS)
    return min(allowed, key=lambda one: (abs(order.index(one) - order.index(effort)), order.index(one)))


# ---------------------------------------------------------------------------------------------------------------------
# Vendors' own spellings


def switched(options: ReasoningOptions, traits: Traits) -> tuple[dict[str, Any], Effort | None]:
    """(members of the request, effort for the protocol's own place) of what was asked, as the target's traits spell it.
    Both are empty where nothing was asked that the target has a word for."""
    effort = effort_to_send(options)
    if effort == "none" and traits.thinking_off:
        return _copied(traits.thinking_off), None
    members = _copied(traits.thinking_on) if is_asked(options) else {}
    if traits.budget and options.effort is None and options.budget is not None and options.budget > 0:
        return _placed(members, traits.budget, options.budget), None
    if effort is None or traits.effort == "":
        return members, None
    effort = nearest_effort(effort, traits.efforts) if traits.efforts else effort
    return (members, effort) if traits.effort is None else (_placed(members, traits.effort, effort), None)


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both objects in one, and the objects in them; where they differ, `more` counts. Neither is changed."""
    found = dict(more)
    for key, value in base.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(value, found[key]) if both else found.get(key, value)
    return found


def _copied(members: Mapping[str, Any]) -> dict[str, Any]:
    return merged(members, {})


def _placed(members: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return merged(members, value)
