"""What a row of the vendor table can say, and how rows add up."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Traits
from ccproxy.policy.quirks import NEWEST, Quirk, Table, version_of


def test_all_parts_of_a_row_must_fit_whatever_the_case() -> None:
    table = Table([Quirk(host=("*.A.com", "b"), model=("M*",), drop=("x",))])
    assert table.traits("p", "x.a.com", "m1", "/p").drop == ("x",)
    assert table.traits("p", "B", "M1", "/p").drop == ("x",)
    for host, model in (("a.com", "m1"), ("x.a.com", "n")):
        assert table.traits("p", host, model, "/p") == Traits()


def test_rows_add_up_and_later_ones_win() -> None:
    table = Table(
        [
            Quirk(model=("m",), drop=("a", "b"), rename={"c": "d"}, takes=frozenset({"top_k", "min_p"}), thoughts="x"),
            Quirk(
                model=("m",), drop=("b", "e"), keep=("a", "c"), only={"f": 1}, lacks=frozenset({"min_p"}), efforts=("low",)
            ),
            Quirk(model=("m",), thoughts="", efforts=("high",), only={"g": 2}, keep=("f",)),
        ]
    )
    traits = table.traits("", "", "m", "")
    wanted = Traits(
        drop=("b", "e"), only={"g": 2}, takes=frozenset({"top_k"}), lacks=frozenset({"min_p"}), efforts=("high",)
    )
    assert traits == wanted
    assert repr(table) == "Table(3 rows)"


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-3-opus-20240229", (3, 0)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-sonnet-4-5-20250929", (4, 5)),
        ("anthropic/Claude-Opus-4.7", (4, 7)),
        ("us.anthropic.claude-opus-4-6-v1:0", (4, 6)),
        ("claude-sonnet-4-5@20250929", (4, 5)),
        ("claude-opus-4-10", (4, 10)),
        ("claude-next", None),
        ("gemini-2.5-flash-preview-09-2025", (2, 5)),
        ("projects/12/locations/us-central1/publishers/google/models/gemini-3.1-pro", (3, 1)),
        ("gemini-10", (10, 0)),
        ("gemini-pro-latest", NEWEST),
        ("gpt-4o", (4, 0)),
        ("", None),
    ],
)
def test_the_version_in_a_models_name(model: str, version: Any) -> None:
    assert version_of(model) == version


def test_rows_of_some_versions_are_about_these() -> None:
    table = Table(
        [Quirk(model=("m*",), since=(2, 0), before=(2, 5), drop=("x",)), Quirk(model=("m*",), since=(2, 5), drop=("y",))]
    )
    said = {"m-1": (), "m-2": ("x",), "m-2.4": ("x",), "m-2.5": ("y",), "m-latest": ("y",), "m": (), "n-2": ()}
    assert {model: table.traits("", "", model, "").drop for model in said} == said


def test_what_a_model_takes_and_lacks_are_opposites() -> None:
    table = Table(
        [
            Quirk(model=("m",), takes=frozenset({"top_k"}), lacks=frozenset({"prefill", "sampling"})),
            Quirk(model=("m",), takes=frozenset({"prefill"}), lacks=frozenset({"top_k"})),
        ]
    )
    assert table.traits("", "", "m", "") == Traits(takes=frozenset({"prefill"}), lacks=frozenset({"sampling", "top_k"}))
