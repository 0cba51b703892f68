from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ccproxy.errors import RequestError
from ccproxy.protocols.responses.fields import Fields


def test_what_is_taken_is_gone_and_the_rest_stays() -> None:
    document = {"s": "x", "b": False, "i": 3, "n": 1.5, "a": [1], "o": {}, "empty": "", "null": None, "other": 7}
    fields = Fields(document, "")
    assert (fields.text("s"), fields.flag("b"), fields.whole("i"), fields.number("n")) == ("x", False, 3, 1.5)
    assert (fields.array("a"), fields.object("o"), fields.text("empty"), fields.text("null")) == ([1], {}, None, None)
    assert fields.rest == {"empty": "", "null": None, "other": 7}
    assert len(document) == 9


def test_empty_text_may_be_wanted() -> None:
    fields = Fields({"t": ""}, "input[0]")
    assert fields.string("t") == ""
    assert fields.rest == {}


@pytest.mark.parametrize(
    ("take", "value"),
    [
        (Fields.text, 3),
        (Fields.flag, 1),
        (Fields.whole, True),
        (Fields.whole, 1.5),
        (Fields.number, "1"),
        (Fields.number, False),
        (Fields.array, {}),
        (Fields.object, []),
        (Fields.string, None),
        (Fields.string, []),
        (Fields.name, ""),
        (Fields.name, None),
    ],
)
def test_another_type_is_named(take: Callable[[Fields, str], Any], value: Any) -> None:
    with pytest.raises(RequestError) as error:
        take(Fields({"k": value}, "input[2]"), "k")
    assert error.value.param == "input[2].k"
    assert "input[2].k must be" in error.value.message


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_what_is_no_object(value: Any) -> None:
    with pytest.raises(RequestError) as error:
        Fields(value, "tools[1]")
    assert error.value.param == "tools[1]"
    with pytest.raises(RequestError, match="the request must be an object"):
        Fields(value, "")


def test_paths() -> None:
    assert Fields({}, "").at("model") == "model"
    assert Fields({}, "a").at("b") == "a.b"
    assert Fields({}, "a").at(3) == "a[3]"
