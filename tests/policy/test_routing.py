from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.errors import NotFound
from ccproxy.policy.routing import Destination, Pattern, Route, Router


def to(*targets: str) -> tuple[Destination, ...]:
    return tuple(Destination(*target.split("/", 1)) for target in targets)


ROUTER = Router(
    {
        "default": {
            "gpt-5": to("one/gpt-5-real"),
            "claude-*": to("two/claude-*"),
            "claude-*haiku*": to("two/small"),
            "claude-?-opus": to("two/opus"),
            "*-a-*": to("three/first"),
            "*-b-*": to("three/second"),
            "swap:*:*": to("four/*-then-*"),
            "many": to("one/a", "two/b/c"),
        },
        "qwen": {"*": to("bailian/*"), "fixed@name": to("bailian/at")},
        "closed": {"only": to("one/only")},
    }
)

FOUND = [
    # group asked, model asked -> group, alias, targets
    ("", "gpt-5", "default", "gpt-5", "one/gpt-5-real"),
    ("default", "gpt-5", "default", "gpt-5", "one/gpt-5-real"),
    ("", "claude-sonnet-5", "default", "claude-*", "two/claude-sonnet-5"),
    ("", "claude-", "default", "claude-*", "two/claude-"),
    ("", "claude-4-haiku-2026", "default", "claude-*haiku*", "two/small"),
    ("", "claude-4-opus", "default", "claude-?-opus", "two/opus"),
    ("", "claude-44-opus", "default", "claude-*", "two/claude-44-opus"),
    ("", "x-b-y-a-z", "default", "*-a-*", "three/first"),
    ("", "x-b-y", "default", "*-b-*", "three/second"),
    ("", "swap:x:y:z", "default", "swap:*:*", "four/x-then-y:z"),
    ("", "many", "default", "many", "one/a two/b/c"),
    ("qwen", "vendor/model:tag", "qwen", "*", "bailian/vendor/model:tag"),
    ("qwen", "two\nlines", "qwen", "*", "bailian/two\nlines"),
    ("qwen", "fixed@name", "qwen", "fixed@name", "bailian/at"),
    ("", "qwen@anything", "qwen", "*", "bailian/anything"),
    ("closed", "qwen@a@b", "qwen", "*", "bailian/a@b"),
    ("qwen", "nogroup@a", "qwen", "*", "bailian/nogroup@a"),
]


@pytest.mark.parametrize(("group", "model", "found_in", "alias", "targets"), FOUND)
def test_a_name_leads_to_its_targets(group: str, model: str, found_in: str, alias: str, targets: str) -> None:
    expected = Route(found_in, alias, to(*targets.split(" ")))
    assert ROUTER.resolve(group, model) == expected


LOST = [
    ("", "gpt-6", "model_not_found", ["gpt-6", "did you mean gpt-5"]),
    ("closed", "gpt-5", "model_not_found", ["gpt-5", '"closed"', "known: only"]),
    ("closed", "Only", "model_not_found", ["did you mean only"]),
    ("qwen", "", "model_not_found", ["qwen"]),
    ("", "qwen@", "model_not_found", ['"qwen"']),
    ("quen", "x", "group_not_found", ["quen", "did you mean qwen"]),
]


@pytest.mark.parametrize(("group", "model", "code", "words"), LOST)
def test_an_unknown_name_is_not_found_and_told_what_is_near(group: str, model: str, code: str, words: list[str]) -> None:
    with pytest.raises(NotFound) as caught:
        ROUTER.resolve(group, model)
    assert caught.value.status == 404
    assert caught.value.code == code
    for word in words:
        assert word in caught.value.message


def test_without_a_default_group_the_error_says_how_to_name_one() -> None:
    with pytest.raises(NotFound, match=r"/GROUP/.*known: only"):
        Router({"only": {"*": to("a/*")}}).resolve("", "x")


def test_an_unknown_name_of_any_length_is_answered_briefly() -> None:
    with pytest.raises(NotFound) as caught:
        ROUTER.resolve("closed", "x" * 100_000)
    assert len(caught.value.message) < 400


def test_a_large_group_shows_some_of_its_names() -> None:
    router = Router({"default": {f"model-{i}": to("a/b") for i in range(50)}})
    with pytest.raises(NotFound) as caught:
        router.resolve("", "zzz")
    assert "model-0, model-1" in caught.value.message
    assert caught.value.message.endswith(", ...")


def test_file_order_decides_between_patterns_of_one_weight() -> None:
    one, two = to("p/one"), to("p/two")
    assert Router({"default": {"a*": one, "*b": two}}).resolve("", "ab").destinations == one
    assert Router({"default": {"*b": two, "a*": one}}).resolve("", "ab").destinations == two


def test_lists_show_names_and_what_patterns_let_through() -> None:
    assert ROUTER.names("") == ("gpt-5", "many")
    assert [pattern.text for pattern in ROUTER.passthrough("")] == ["claude-*", "swap:*:*"]
    assert ROUTER.names("qwen") == ("fixed@name",)
    with pytest.raises(NotFound):
        ROUTER.names("nobody")


def test_an_upstreams_models_are_listed_under_the_names_that_reach_them() -> None:
    upstream = ["claude-sonnet-5", "claude-4-haiku", "other", "small"]
    # haiku is taken by a heavier alias, `other` fits no pattern, `small` has no way through a pattern with ends of its own
    assert ROUTER.listed("", "two", upstream) == ["claude-sonnet-5"]
    assert ROUTER.listed("qwen", "bailian", ["a", "b/c"]) == ["a", "b/c"]
    assert ROUTER.listed("qwen", "someone-else", ["a"]) == []
    assert ROUTER.listed("", "four", ["x-then-y"]) == ["swap:x:y"]


def test_brackets_and_dots_in_a_pattern_stand_for_themselves() -> None:
    router = Router({"default": {"gpt.[a]*": to("a/b")}})
    assert router.resolve("", "gpt.[a]-x").alias == "gpt.[a]*"
    with pytest.raises(NotFound):
        router.resolve("", "gptx[a]")


def test_a_hostile_name_takes_no_long_search() -> None:
    pattern = Pattern("*a" * 12 + "b", to("p/m"))
    assert pattern.forward("a" * 50_000) is None  # a search that goes back would outlast the sun


pieces = st.text("ab*?", max_size=8)


@given(pieces, st.text("ab", max_size=10))
def test_a_pattern_matches_what_the_shell_would_match(pattern: str, name: str) -> None:
    found = Pattern(pattern, to("p/m")).forward(name)
    assert (found is not None) == fnmatchcase(name, pattern)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_what_the_stars_matched_fills_them_again(pattern: str, name: str) -> None:
    through = Pattern(pattern, (Destination("p", pattern),))
    found = through.forward(name)
    if found is not None:
        assert found == (Destination("p", name),)
        assert through.backward("p", name) in (name, None)


def test_repr_names_the_groups() -> None:
    assert repr(ROUTER) == "Router(default, qwen, closed)"
    assert ROUTER.groups == ("default", "qwen", "closed")


def test_names_are_remembered_for_their_group_and_only_short_ones() -> None:
    router = Router({"one": {"*": to("a/*")}, "two": {"*": to("b/*")}})
    for _ in range(2):
        for group, provider in (("one", "a"), ("two", "b")):
            for model in ("m", "m" * 10_000):
                assert router.resolve(group, model).destinations == (Destination(provider, model),)
    assert router._find_again.cache_info().currsize == 2
