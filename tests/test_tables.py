# ruff: noqa: RUF009 - `key` makes an attrs field
from __future__ import annotations

import re
import tomllib
from typing import Any, ClassVar

import pytest
from attrs import Factory, frozen

from ccproxy.tables import (
    Read,
    Spot,
    Wrong,
    a_record,
    choice,
    header_value,
    key,
    like,
    list_of,
    number,
    one_or_more,
    record,
    secret,
    table_of,
    text,
    url,
    whole,
)

ENV = {"HOST": "example.com", "EMPTY": "", "MULTI_LINE": "a\nb"}

GOOD: list[tuple[Read, str, Any]] = [
    (text, "'plain'", "plain"),
    (text, "'${HOST}/${HOST}'", "example.com/example.com"),
    (text, "'a $HOST {x} $$'", "a $HOST {x} $$"),
    (text, "'${EMPTY}'", ""),
    (secret, "'sk-1~!'", "sk-1~!"),
    (header_value, "''", ""),
    (header_value, "'a, b;c=\"d\"'", 'a, b;c="d"'),
    (like(re.compile("a+"), "some a"), "'aaa'", "aaa"),
    (choice("one", "two"), "'two'", "two"),
    (whole(1, 5), "5", 5),
    (whole(0), "12345678901234567890", 12345678901234567890),
    (number(0, 2), "2", 2),
    (number(0, 2), "0.5", 0.5),
    (url("http", "https"), "'https://${HOST}:8443/v1/'", "https://example.com:8443/v1/"),
    (url("http"), "'http://[::1]:80'", "http://[::1]:80"),
    (url("socks5", credentials=True), "'socks5://me:pw@h:1080'", "socks5://me:pw@h:1080"),
    (list_of(text), "['a', '${HOST}']", ("a", "example.com")),
    (list_of(text), "[]", ()),
    (one_or_more(text), "'a'", ("a",)),
    (one_or_more(text), "['a', 'b']", ("a", "b")),
    (table_of(whole(0)), "{ a = 1, 'b c' = 2 }", {"a": 1, "b c": 2}),
]


def value(toml: str) -> Any:
    return tomllib.loads(f"x = {toml}")["x"]


@pytest.mark.parametrize(("read", "toml", "expected"), GOOD)
def test_a_good_value_is_read(read: Read, toml: str, expected: Any) -> None:
    spot = Spot("x", [], ENV)
    assert read(value(toml), spot) == expected
    assert spot.problems == []


BAD: list[tuple[Read, str, str]] = [
    (text, "5", "x: must be a string, not a whole number"),
    (text, "true", "x: must be a string, not true or false"),
    (text, "2026-01-01", "x: must be a string, not a date or time"),
    (text, "'${NOPE}'", "x: the environment variable NOPE is not set"),
    (text, "'${NOPE}${A}${NOPE}'", "x: the environment variables NOPE, A are not set"),
    (text, "'${HOST'", "x: after ${ there must be the name of an environment variable and a }"),
    (text, "'${}'", "x: after ${ there must be the name of an environment variable and a }"),
    (text, "'${a b}'", "x: after ${ there must be the name of an environment variable and a }"),
    (secret, "''", "x: is empty"),
    (secret, "'${EMPTY}'", "x: is empty"),
    (secret, "'${MULTI_LINE}'", "x: has a space, a line break or another character that a key cannot have"),
    (secret, "'schlüssel'", "x: has a space, a line break or another character that a key cannot have"),
    (header_value, '"a\\r\\nb: c"', "x: must be plain ASCII text without line breaks and without spaces around it"),
    (header_value, "' a'", "x: must be plain ASCII text without line breaks and without spaces around it"),
    (like(re.compile("a+"), "some a"), "'b'", "x: must be some a"),
    (choice("always", "never"), "'alwys'", "x: must be one of always, never; did you mean always?"),
    (choice("always", "never"), "'Never'", "x: must be one of always, never; did you mean never?"),
    (choice("always", "never"), "'zzz'", "x: must be one of always, never"),
    (whole(1, 5), "6", "x: must be a whole number from 1 to 5"),
    (whole(1, 5), "true", "x: must be a whole number from 1 to 5, not true or false"),
    (whole(1), "1.0", "x: must be a whole number of 1 or more, not a number"),
    (whole(1), "'1'", "x: must be a whole number of 1 or more, not a string"),
    (number(0, 2), "nan", "x: must be a number from 0 to 2"),
    (number(0, 2), "inf", "x: must be a number from 0 to 2"),
    (number(0, 2), "false", "x: must be a number from 0 to 2, not true or false"),
    (url("http"), "'https://h'", "x: must be a URL that begins with http:// and names a host"),
    (url("http", "https"), "'example.com/v1'", "x: must be a URL that begins with http:// or https:// and names a host"),
    (url("http"), "'http://'", "x: must be a URL that begins with http:// and names a host"),
    (url("http"), "'http://h:99999'", "x: must be a URL that begins with http:// and names a host"),
    (url("http"), "'http://h:x'", "x: must be a URL that begins with http:// and names a host"),
    (url("http"), "'http://[::1'", "x: must be a URL that begins with http:// and names a host"),
    (url("http"), "'http://h /'", "x: must be a URL that begins with http:// and names a host"),
    (url("http"), "'http://h?key=sk-1'", "x: must be a URL without ? and #"),
    (url("http"), "'http://u:sk-1@h'", "x: must not hold a user name or password"),
    (list_of(text), "'a'", "x: must be a list, not a string"),
    (list_of(text), "['a', 1]", "x[1]: must be a string, not a whole number"),
    (one_or_more(text), "[]", "x: must name at least one"),
    (table_of(text), "[]", "x: must be a table, not a list"),
    (
        table_of(text),
        "{ a = 1, 'b c' = 2 }",
        'x.a: must be a string, not a whole number|x."b c": must be a string, not a whole number',
    ),
    (table_of(text, choice("good")), "{ god = 'x' }", "x.god: must be one of good; did you mean good?"),
]


@pytest.mark.parametrize(("read", "toml", "complaints"), BAD)
def test_a_bad_value_is_complained_about_at_its_key(read: Read, toml: str, complaints: str) -> None:
    spot = Spot("x", [], ENV)
    try:
        read(value(toml), spot)
    except Wrong as wrong:
        spot.complain(str(wrong))
    assert "|".join(spot.problems) == complaints


def test_two_keys_that_are_read_as_one_are_complained_about() -> None:
    spot = Spot("x", [], {})
    table_of(text, lambda name, _: name.lower())({"A": "1", "a": "2"}, spot)
    assert spot.problems == ["x.a: is there twice"]


@frozen(kw_only=True)
class Inner:
    size: int = key(whole(0, 9), why="how large it is")


@frozen(kw_only=True)
class Outer:
    LATER: ClassVar = ("soon",)

    name: str = key(text, "nobody", "the usual one")
    token: str = key(text, "", secret=True)
    inner: Inner = key(a_record(Inner), Inner(size=1))
    more: dict[str, Inner] = key(table_of(a_record(Inner)), Factory(dict))


def test_a_record_has_what_the_table_says_and_defaults() -> None:
    spot = Spot("", [], {})
    assert record(Outer, {"inner": {"size": 3}, "more": {"a": {"size": 4}}}, spot) == Outer(
        name="nobody", token="", inner=Inner(size=3), more={"a": Inner(size=4)}
    )
    assert spot.problems == []


def test_a_record_tells_every_mistake_at_once() -> None:
    spot = Spot("", [], {})
    table = {"nam": "x", "soon": 1, "inner": {"size": 10}, "more": {"a": {}, "b": 5, "c d": {"sze": 1}}, "zzzz": 1}
    record(Outer, table, spot)
    assert spot.problems == [
        "nam: unknown key; did you mean name?",
        "soon: not supported yet by this version of ccproxy; remove it",
        "inner.size: must be a whole number from 0 to 9",
        "more.a.size: is missing: how large it is",
        "more.b: must be a table, not a whole number",
        'more."c d".sze: unknown key; did you mean size?',
        'more."c d".size: is missing: how large it is',
        "zzzz: unknown key; known: name, token, inner, more",
    ]


def test_a_secret_is_not_shown() -> None:
    assert "hush" not in repr(Outer(token="hush", name="shown"))
    assert "shown" in repr(Outer(token="hush", name="shown"))


def test_a_spot_does_not_show_the_environment() -> None:
    assert "hush" not in repr(Spot("x", [], {"KEY": "hush"}))
