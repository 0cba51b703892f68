"""Thinking from one form to the other; which models lack which is tested with the vendor table."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Target, Traits
from ccproxy.protocols.claude.thinking import LEAST_BUDGET, fitted_budget, refit

ADAPTIVE = {"type": "adaptive", "display": "omitted"}


def refitted(lacks: str, **said: Any) -> tuple[dict[str, Any], int]:
    """(the document, how many notes)."""
    target = Target(protocol="claude", model="m", traits=Traits(lacks=frozenset({lacks}), efforts=("low", "high")))
    notes: list[str] = []
    return refit(said, target, notes.append), len(notes)


def test_the_rest_of_what_was_said_stays() -> None:
    config = {"effort": "high", "format": {"type": "json_schema"}}
    found, notes = refitted("adaptive", max_tokens=64_000, thinking=ADAPTIVE, output_config=config)
    thinking = {"type": "enabled", "display": "omitted", "budget_tokens": 24_576}
    assert found == {"max_tokens": 64_000, "thinking": thinking, "output_config": {"format": {"type": "json_schema"}}}
    assert notes == 1
    assert config["effort"] == "high"


def test_a_budget_becomes_an_effort_that_the_model_has() -> None:
    thinking = {"type": "enabled", "budget_tokens": 9_000}
    found, _ = refitted("budgets", thinking=thinking)
    assert found == {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    assert refitted("budgets", thinking={"type": "enabled"})[0] == {"thinking": {"type": "adaptive"}}


@pytest.mark.parametrize("odd", [None, 7, "on", [], {"type": 5}, {"type": []}])
def test_what_says_neither_is_the_documents_own(odd: Any) -> None:
    for lacks in ("adaptive", "budgets"):
        assert refitted(lacks, thinking=odd) == ({"thinking": odd}, 0)


@pytest.mark.parametrize("config", [None, "x", {"effort": 3}, {"effort": "unheard-of"}])
def test_an_effort_that_nobody_knows_is_a_medium_budget(config: Any) -> None:
    found, _ = refitted("adaptive", max_tokens=9_000, thinking={"type": "adaptive"}, output_config=config)
    assert found["thinking"] == {"type": "enabled", "budget_tokens": 8_192}


@pytest.mark.parametrize(
    ("asked", "limit", "budget"),
    [
        (None, 32_000, 8_192),
        (-1, 32_000, 8_192),
        (50, 32_000, LEAST_BUDGET),
        (99_999, 32_000, 16_000),
        (5_000, 1_500, 1_024),
    ],
)
def test_a_budget_fits_below_the_answers_limit(asked: int | None, limit: int, budget: int) -> None:
    assert fitted_budget(asked, limit) == budget
