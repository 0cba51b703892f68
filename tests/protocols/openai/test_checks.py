"""Checks of clients' documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ccproxy.errors import RequestError
from ccproxy.model import Extras
from ccproxy.protocols.openai import checks
from ccproxy.protocols.openai.terms import NAME

VALUES: list[Any] = [None, True, 0, 1.5, "", "x", [], {}]


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (checks.an_object, [{}]),
        (checks.a_list, [[]]),
        (checks.a_text, ["", "x"]),
        (checks.a_name, ["x"]),
        (checks.a_text_or_nothing, [None, "", "x"]),
        (checks.a_number, [None, 0, 1.5]),
        (checks.an_integer, [None, 0]),
        (checks.a_flag, [None, True]),
    ],
)
def test_each_check_takes_its_own(check: Callable[[Any, str], Any], good: list[Any]) -> None:
    for value in VALUES:
        if any(type(value) is type(one) and value == one for one in good):
            assert check(value, "a.b") in (value, "")
        else:
            with pytest.raises(RequestError, match=r"a\.b") as refused:
                check(value, "a.b")
            assert refused.value.param == "a.b"


def test_the_rest_keeps_what_is_not_written_by_itself() -> None:
    raw = {"known": 1, "null": None, "empty": "", "list": [], "false": False, "zero": 0, "unknown": 2}
    known = ("known", "null", "empty", "list", "false", "zero")
    assert checks.rest_of(raw, known) == {"null": None, "empty": "", "list": [], "unknown": 2}


def test_only_its_own_extras_count() -> None:
    mine = Extras(NAME, {"a": 1})
    assert checks.own(mine) is mine
    assert checks.own(Extras("elsewhere", {"a": 1})).fields == {}
    assert checks.own(None).fields == {}


def test_what_is_written_wins_over_the_rest() -> None:
    assert checks.with_rest({"a": 1}, {"a": None, "b": 2}) == {"a": 1, "b": 2}
