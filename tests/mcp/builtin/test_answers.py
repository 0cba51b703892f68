"""Arguments as models write them."""

from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import RequestError
from ccproxy.mcp.builtin.answers import Arguments, failed, said

KNOWN = {"url": {}, "count": {}, "whole": {}, "format": {}}


def given(**arguments: Any) -> Arguments:
    return Arguments(arguments, KNOWN)


def test_what_is_given() -> None:
    arguments = given(url=" x ", count=3, whole=True, format="b")
    assert (arguments.text("url"), arguments.whole("count", 1, 1, 9), arguments.flag("whole")) == ("x", 3, True)
    assert arguments.choice("format", ("a", "b"), "a") == "b"


def test_what_is_not_given() -> None:
    arguments = given(count=None)
    assert (arguments.text("url", ""), arguments.whole("count", 4, 1, 9), arguments.flag("whole")) == ("", 4, False)
    assert arguments.choice("format", ("a", "b"), "a") == "a"


@pytest.mark.parametrize(("value", "number"), [("7", 7), (7.0, 7), (70, 9), ("1", 1)])
def test_numbers_in_other_forms(value: Any, number: int) -> None:
    assert given(count=value).whole("count", 1, 1, 9) == number


@pytest.mark.parametrize("value", [0, -1, "x", True, [], float("inf"), float("nan")])
def test_no_numbers(value: Any) -> None:
    with pytest.raises(RequestError, match="count must be a whole number of 1 or more"):
        given(count=value).whole("count", 1, 1, 9)


@pytest.mark.parametrize(("value", "flag"), [("true", True), ("False", False), (False, False)])
def test_flags_in_other_forms(value: Any, flag: bool) -> None:
    assert given(whole=value).flag("whole") is flag


def test_complaints() -> None:
    with pytest.raises(RequestError, match="no argument ur; did you mean url"):
        Arguments({"ur": "x"}, KNOWN)
    with pytest.raises(RequestError, match="url is missing"):
        given().text("url")
    with pytest.raises(RequestError, match="url is empty"):
        given(url=" ").text("url")
    with pytest.raises(RequestError, match="url must be a text"):
        given(url=1).text("url")
    with pytest.raises(RequestError, match="format must be one of a, b"):
        given(format="c").choice("format", ("a", "b"), "a")
    with pytest.raises(RequestError, match="whole must be true or false"):
        given(whole="maybe").flag("whole")


def test_results_on_the_wire() -> None:
    wire = failed("no").model_dump(by_alias=True, exclude_none=True)
    assert (wire["isError"], wire["content"]) == (True, [{"type": "text", "text": "no"}])
    wire = said("yes", {"a": 1}).model_dump(by_alias=True, exclude_none=True)
    assert (wire.get("isError", False), wire["structuredContent"]) == (False, {"a": 1})
