"""How hard to think: OpenAI's efforts, token budgets, Gemini's levels, on or off; one table turns them into each other.

The budgets are those that Google's OpenAI compatibility layer uses for its efforts ("Thinking with the OpenAI library": low
1,024, medium 8,192, high 24,576), and Claude Code's largest (31,999) for what stands above high.
"""

from __future__ import annotations

from ccproxy.model import Effort, ReasoningOptions

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
