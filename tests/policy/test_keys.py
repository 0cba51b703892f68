from __future__ import annotations

from ccproxy.policy.keys import KeyPool


def test_keys_take_turns() -> None:
    pool = KeyPool(["a", "b", "c"])
    assert [pool.pick(now) for now in range(7)] == ["a", "b", "c", "a", "b", "c", "a"]


def test_a_provider_without_keys_gives_none() -> None:
    assert KeyPool(()).pick(0.0) == ""
    assert len(KeyPool(())) == 0


def test_repr_shows_no_key() -> None:
    pool = KeyPool(["sk-very-secret"])
    pool.pick(0.0)
    assert repr(pool) == "KeyPool(1 keys, next: 0)"
