"""Thinking in a Claude request, from one of the API's two forms to the other.

A client goes by the name of the model that it asks for; an alias may lead it to one that takes the other form only
(documentation, "Adaptive thinking", "Extended thinking"). Which model lacks which, the vendor table says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy import reasoning
from ccproxy.model import JSON, Effort, ReasoningOptions, Target

LEAST_BUDGET = 1_024
"""Smaller thinking budgets are refused ("Extended thinking")."""

_CONFIG = "output_config"
_TOKENS = {str(effort): budget for effort, budget in reasoning.BUDGETS.items()}


def refit(document: dict[str, JSON], target: Target, note: Callable[[str], None]) -> dict[str, JSON]:
    """See `base.Chat.refit`."""
    thinking, lacks = document.get("thinking"), target.traits.lacks
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind == "adaptive" and "adaptive" in lacks:
        return _budgeted(document, note)
    if kind == "enabled" and "budgets" in lacks:
        return _adaptive(document, target, note)
    return document


def fitted_budget(asked: int | None, limit: int) -> int:
    """At least the API's least, and below the answer's limit, which it is part of; half of that where it would not be."""
    budget = reasoning.BUDGETS["medium"] if asked is None or asked < 0 else max(asked, LEAST_BUDGET)
    return budget if budget < limit else max(LEAST_BUDGET, limit // 2)


def _budgeted(document: dict[str, JSON], note: Callable[[str], None]) -> dict[str, JSON]:
    """The effort goes into the budget: models without adaptive thinking refuse it."""
    config = _object(document.get(_CONFIG))
    effort, limit = config.pop("effort", None), document.get("max_tokens")
    fit = {key: value for key, value in document.items() if key not in ("thinking", _CONFIG)}
    fit |= {_CONFIG: config} if config else {}
    if not isinstance(limit, int) or limit <= LEAST_BUDGET:
        note("thinking was left off: the model takes it with a budget, for which the answer's token limit leaves no room")
        return fit
    budget = fitted_budget(_TOKENS.get(effort) if isinstance(effort, str) else None, limit)
    note(f"adaptive thinking became a budget of {budget} tokens: the model does not take it")
    return fit | {"thinking": {**document["thinking"], "type": "enabled", "budget_tokens": budget}}


def _adaptive(document: dict[str, JSON], target: Target, note: Callable[[str], None]) -> dict[str, JSON]:
    """The budget goes into the effort, unless the client said that too."""
    config = _object(document.get(_CONFIG))
    thinking = _object(document["thinking"])
    budget = thinking.pop("budget_tokens", None)
    effort: Effort | None = reasoning.effort_of(ReasoningOptions(budget=budget if isinstance(budget, int) else None))
    if effort is not None and "effort" not in config:
        config["effort"] = reasoning.nearest_effort(effort, target.traits.efforts) if target.traits.efforts else effort
    note("the thinking budget became an effort: the model takes adaptive thinking only")
    return {**document, "thinking": {**thinking, "type": "adaptive"}} | ({_CONFIG: config} if config else {})


def _object(value: JSON) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
