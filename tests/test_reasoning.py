from __future__ import annotations

import pytest

from ccproxy.model import ReasoningOptions
from ccproxy.reasoning import BUDGETS, budget_of, effort_of, effort_to_send, nearest_effort


@pytest.mark.parametrize(
    ("options", "effort", "budget"),
    [
        (ReasoningOptions(), None, None),
        (ReasoningOptions(enabled=True), None, None),
        (ReasoningOptions(adaptive=True), None, None),
        (ReasoningOptions(enabled=False, effort="high"), "none", 0),
        (ReasoningOptions(effort="none"), "none", 0),
        (ReasoningOptions(effort="high"), "high", 24_576),
        (ReasoningOptions(effort="low", budget=100), "low", 100),
        (ReasoningOptions(budget=0), "none", 0),
        (ReasoningOptions(budget=-1), None, -1),
        (ReasoningOptions(budget=1_024), "low", 1_024),
        (ReasoningOptions(budget=10_000), "medium", 10_000),
        (ReasoningOptions(budget=31_999), "high", 31_999),
    ],
)
def test_efforts_and_budgets_become_each_other(options: ReasoningOptions, effort: str | None, budget: int | None) -> None:
    assert effort_of(options) == effort
    assert budget_of(options) == budget


@pytest.mark.parametrize(
    ("options", "effort"),
    [
        (ReasoningOptions(), None),
        (ReasoningOptions(enabled=True), "medium"),
        (ReasoningOptions(enabled=True, effort="low"), "low"),
        (ReasoningOptions(enabled=True, budget=1_024), "low"),
        (ReasoningOptions(enabled=True, budget=-1), None),
        (ReasoningOptions(enabled=True, adaptive=True), None),
        (ReasoningOptions(enabled=False), "none"),
    ],
)
def test_merely_on_is_an_effort_for_models_that_wait_for_one(options: ReasoningOptions, effort: str | None) -> None:
    assert effort_to_send(options) == effort


def test_each_efforts_budget_rises() -> None:
    assert list(BUDGETS.values()) == sorted(BUDGETS.values())


def test_the_nearest_effort_is_the_lower_one_of_two() -> None:
    assert nearest_effort("high", ("low", "medium", "high")) == "high"
    assert nearest_effort("max", ("low", "high")) == "high"
    assert nearest_effort("medium", ("low", "high")) == "low"
    assert nearest_effort("none", ("minimal", "high")) == "minimal"
