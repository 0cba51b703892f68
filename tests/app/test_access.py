"""Keys, and who is let in where there are none."""

from __future__ import annotations

import pytest

from ccproxy.app.access import check_local, is_loopback, key_of, tokens_of
from ccproxy.errors import Forbidden, Unauthorized
from tests.app.heads import head_of

KEYS = {"laptop": "cs-laptop", "ci": "cs-ci", "umlaut": "cs-ü"}
LINE = "POST /v1/messages"

TOKENS = [
    pytest.param(LINE, {"authorization": "Bearer cs-ci"}, "cs-ci", id="bearer"),
    pytest.param(LINE, {"Authorization": "bearer  cs-ci "}, "cs-ci", id="bearer, spelled otherwise"),
    pytest.param(LINE, {"x-api-key": "cs-ci"}, "cs-ci", id="x-api-key"),
    pytest.param(LINE, {"X-Goog-Api-Key": "cs-ci"}, "cs-ci", id="x-goog-api-key"),
    pytest.param(LINE, {"api-key": "cs-ci"}, "cs-ci", id="api-key"),
    pytest.param(f"{LINE}?alt=sse&key=cs-ci", {}, "cs-ci", id="query"),
    pytest.param(f"{LINE}?key=cs%2Dci", {}, "cs-ci", id="query, percent-encoded"),
    pytest.param(LINE, {}, "", id="none"),
    pytest.param(LINE, {"authorization": "Basic Y3M6Y2k="}, "", id="no bearer"),
    pytest.param(LINE, {"authorization": "Bearer"}, "", id="a bearer without a token"),
    pytest.param(LINE, {"authorization": "cs-ci"}, "", id="no scheme"),
    pytest.param(LINE, {"authorization": "Basic x", "x-api-key": "cs-ci"}, "cs-ci", id="another header beside it"),
    pytest.param(f"{LINE}?key=b", {"x-api-key": "a"}, "a b", id="a header before the query"),
    pytest.param(LINE, {"authorization": "Bearer a", "x-api-key": "b"}, "a b", id="bearer first"),
]


@pytest.mark.parametrize(("line", "headers", "token"), TOKENS)
def test_where_a_token_stands(line: str, headers: dict[str, str], token: str) -> None:
    assert tokens_of(head_of(line, headers)) == token.split()


@pytest.mark.parametrize(("token", "name"), [("cs-laptop", "laptop"), ("cs-ci", "ci")])
def test_a_known_token_is_its_keys_name(token: str, name: str) -> None:
    assert key_of(head_of(LINE, {"x-api-key": token}), KEYS) == name


def test_a_key_counts_beside_a_token_of_somebody_elses() -> None:
    assert key_of(head_of(LINE, {"authorization": "Bearer a-login", "x-api-key": "cs-ci"}), KEYS) == "ci"


REFUSED = [
    ({}, "is missing"),
    ({"x-api-key": "cs-c"}, "is not one"),
    ({"x-api-key": "cs-ci2"}, "is not one"),
    ({"x-api-key": "CS-CI"}, "is not one"),
    ({"x-api-key": "cs-\xfc\xff"}, "is not one"),
]


@pytest.mark.parametrize(("headers", "said"), REFUSED)
def test_any_other_token_is_refused_and_not_repeated(headers: dict[str, str], said: str) -> None:
    with pytest.raises(Unauthorized, match=said) as error:
        key_of(head_of(LINE, headers), KEYS)
    assert error.value.code == "invalid_api_key"
    assert not any(value in error.value.message for value in headers.values())


def test_lone_surrogates_in_the_query_are_just_wrong() -> None:
    with pytest.raises(Unauthorized):
        key_of(head_of(f"{LINE}?key=%ED%A0%80"), KEYS)


def test_a_server_without_keys_asks_for_none() -> None:
    assert key_of(head_of(LINE), {}) == ""
    assert key_of(head_of(LINE, {"x-api-key": "whatever"}), {}) == ""


HOSTS = [
    ("localhost", True),
    ("localhost:11434", True),
    ("LOCALHOST:11434", True),
    ("localhost.", True),
    ("demo.localhost:80", True),
    ("127.0.0.1", True),
    ("127.8.9.10:1", True),
    ("[::1]:11434", True),
    ("[::1]", True),
    ("", True),  # HTTP/1.0; no browser leaves it out
    ("evil.example", False),
    ("evil.example:11434", False),
    ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False),
    ("evillocalhost", False),
    ("10.0.0.1", False),
    ("0.0.0.0", False),
    ("[2001:db8::1]:80", False),
    ("::1", False),
]


@pytest.mark.parametrize(("host", "local"), HOSTS)
def test_without_keys_the_host_must_be_this_machine(host: str, local: bool) -> None:
    """A page can point a name of its own at 127.0.0.1 (DNS rebinding), but not its Host header away from that name."""
    head = head_of(LINE, {"host": host})
    if local:
        check_local(head)
        return
    with pytest.raises(Forbidden) as error:
        check_local(head)
    assert error.value.code == "foreign_host"


ORIGINS = [
    ("http://localhost:3000", True),
    ("http://127.0.0.1:11434", True),
    ("https://[::1]:8443", True),
    ("http://app.localhost", True),
    ("https://evil.example", False),
    ("http://localhost.evil.example", False),
    ("http://localhost@evil.example", False),
    ("http://evil.example/localhost", False),
    ("null", False),
    ("chrome-extension://abcdef", False),
    ("http://[::1", False),
    ("http://[localhost]", False),
    ("//", False),
]


@pytest.mark.parametrize(("origin", "local"), ORIGINS)
def test_without_keys_a_page_of_another_origin_is_refused(origin: str, local: bool) -> None:
    head = head_of(LINE, {"origin": origin})
    if local:
        check_local(head)
        return
    with pytest.raises(Forbidden) as error:
        check_local(head)
    assert error.value.code == "foreign_origin"


@pytest.mark.parametrize(
    ("name", "local"), [("localhost", True), ("::1", True), ("[::1]", True), ("", False), ("a b", False)]
)
def test_loopback_names(name: str, local: bool) -> None:
    assert is_loopback(name) == local
