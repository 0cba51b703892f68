from __future__ import annotations

from ccproxy.transport.pool import IDLE_SECONDS, MAX_IDLE_PER_ENDPOINT, SURPLUS_SECONDS, Pool


def test_the_most_recently_used_comes_first_and_only_once() -> None:
    pool: Pool[str] = Pool()
    assert pool.put("a", "one", 0.0) == []
    assert pool.put("a", "two", 1.0) == []
    assert pool.put("b", "other", 2.0) == []
    assert [pool.take("a", 3.0) for _ in range(3)] == ["two", "one", None]
    assert pool.take("b", 3.0) == "other"
    assert len(pool) == 0


def test_an_unknown_endpoint_has_none() -> None:
    assert Pool[str]().take("nowhere", 0.0) is None


def test_a_connection_that_is_put_again_starts_anew() -> None:
    pool: Pool[str] = Pool(idle_seconds=10.0)
    pool.put("a", "one", 0.0)
    pool.put("a", "two", 1.0)
    assert pool.put("a", "one", 9.0) == []
    assert pool.expire(11.0) == ["two"]
    assert pool.take("a", 11.0) == "one"


def test_more_than_an_endpoint_needs_are_kept_for_seconds_only() -> None:
    pool: Pool[str] = Pool(max_idle_per_endpoint=2)
    pool.put("b", "oldest of all", 0.0)
    for number in range(4):
        assert pool.put("a", f"number {number}", float(number)) == []
    assert pool.expire(SURPLUS_SECONDS - 0.1) == []
    assert pool.expire(SURPLUS_SECONDS) == ["number 0"]
    assert pool.expire(SURPLUS_SECONDS + 100)[:1] == ["oldest of all"]


def test_a_wave_finds_all_the_connections_of_the_wave_before() -> None:
    pool: Pool[str] = Pool()
    assert [pool.put("a", str(number), 1.0) for number in range(100)] == [[]] * 100
    assert pool.expire(1.25) == []
    assert None not in [pool.take("a", 1.3) for _ in range(100)]
    assert pool.take("a", 1.3) is None


def test_what_a_burst_left_is_closed_but_for_a_few() -> None:
    pool: Pool[str] = Pool()
    for number in range(100):
        pool.put("a", str(number), 1.0)
    assert pool.expire(1.0 + SURPLUS_SECONDS) == [str(number) for number in range(100 - MAX_IDLE_PER_ENDPOINT)]
    assert len(pool) == MAX_IDLE_PER_ENDPOINT


def test_a_full_pool_gives_up_the_oldest_of_any_endpoint() -> None:
    pool: Pool[str] = Pool(max_idle=2)
    pool.put("a", "one", 0.0)
    pool.put("b", "two", 1.0)
    assert pool.put("c", "three", 2.0) == ["one"]
    assert pool.count("a") == 0
    assert pool.take("a", 2.0) is None


def test_a_pool_of_none_hands_back_what_it_is_given() -> None:
    assert Pool[str](max_idle=0).put("a", "one", 0.0) == ["one"]


def test_expired_ones_are_not_taken_but_handed_out_to_be_closed() -> None:
    pool: Pool[str] = Pool(idle_seconds=10.0)
    pool.put("a", "one", 0.0)
    pool.put("b", "two", 4.0)
    assert pool.take("a", 10.0) is None
    assert pool.expire(9.9) == []
    assert pool.expire(10.0) == ["one"]
    assert pool.expire(14.0) == ["two"]
    assert len(pool) == 0


def test_the_age_counts_from_the_last_use() -> None:
    pool: Pool[str] = Pool()
    pool.put("a", "one", 0.0)
    assert pool.take("a", IDLE_SECONDS - 1) == "one"
    pool.put("a", "one", IDLE_SECONDS + 100)
    assert pool.expire(IDLE_SECONDS + 101) == []
    assert pool.take("a", IDLE_SECONDS + 101) == "one"


def test_a_closed_connection_is_forgotten() -> None:
    pool: Pool[str] = Pool()
    pool.put("a", "one", 0.0)
    pool.put("a", "two", 0.0)
    assert pool.remove("two")
    assert not pool.remove("two")
    assert pool.take("a", 1.0) == "one"
    assert not pool.remove("one")


def test_closing_hands_out_everything() -> None:
    pool: Pool[str] = Pool()
    pool.put("a", "one", 0.0)
    pool.put("b", "two", 0.0)
    assert repr(pool) == "<Pool idle=2 endpoints=2>"
    assert pool.close_all() == ["one", "two"]
    assert repr(pool) == "<Pool idle=0 endpoints=0>"
    assert pool.take("a", 0.0) is None


def test_endpoints_without_connections_are_forgotten() -> None:
    pool: Pool[str] = Pool()
    for name in ("a", "b"):
        pool.put(name, f"one of {name}", 0.0)
    pool.take("a", 1.0)
    pool.expire(1.0)
    assert repr(pool) == "<Pool idle=1 endpoints=1>"
