"""Pools: the spread over pairs, and what rests after which failure."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from bench.spread import simulated
from ccproxy.errors import Broken, CcproxyError, Malformed, TimedOut, Unreachable, Unsupported, UpstreamError
from ccproxy.policy.keys import (
    CREDIT,
    FIRST_KEY_REST,
    FIRST_TARGET_REST,
    LONGEST_KEY_REST,
    LONGEST_SAID_REST,
    LONGEST_TARGET_REST,
    MANY,
    PERSON,
    Balance,
    Blame,
    Choice,
    Pair,
    Pools,
    blame,
)
from ccproxy.policy.routing import Destination

A, B, C = (Destination("p", name) for name in "abc")
ELSEWHERE = Destination("q", "a")


def refused(status: int, retry_after: float | None = None) -> UpstreamError:
    return UpstreamError("no", status=status, retry_after=retry_after)


def served(pools: Pools, *destinations: Destination, now: float = 0.0, balance: Balance = "rotate") -> Pair:
    """The pair that serves a request without ado."""
    choice = pools.choice(destinations, balance)
    pair = choice.next(now)
    assert pair is not None
    choice.served()
    return pair


def failing(pools: Pools, *destinations: Destination, error: CcproxyError, now: float = 0.0) -> Choice:
    """The choice of a request whose first pair failed."""
    choice = pools.choice(destinations)
    assert choice.next(now) is not None
    choice.failed(error, now)
    return choice


def wait(choice: Choice, now: float) -> float | None:
    """Seconds that a client is told to wait when no pair is left."""
    return choice.verdict(refused(500), now).retry_after


# -- Spread


@pytest.mark.parametrize("targets", range(1, 7))
@pytest.mark.parametrize("keys", range(1, 7))
def test_every_pair_serves_as_much_as_every_other(keys: int, targets: int) -> None:
    pools = Pools({"p": keys})
    destinations = [Destination("p", f"m{number}") for number in range(targets)]
    counts: Counter[Pair] = Counter()
    for number in range(7 * keys * targets + 3):
        counts[served(pools, *destinations, now=float(number))] += 1
        values = [counts[Pair(d, k)] for d in destinations for k in range(keys)]
        assert max(values) - min(values) <= 1


@pytest.mark.parametrize("sizes", list(itertools.product(range(4), repeat=3)), ids=str)
def test_providers_with_different_numbers_of_keys(sizes: tuple[int, int, int]) -> None:
    """A keyless provider has one pair for each target."""
    pools = Pools(dict(zip("pqr", sizes, strict=True)))
    destinations = [Destination("p", "a"), Destination("q", "a"), Destination("r", "a"), Destination("p", "b")]
    pairs = sum(max(1, sizes["pqr".index(d.provider)]) for d in destinations)
    counts = Counter(served(pools, *destinations) for _ in range(3 * pairs))
    assert set(counts.values()) == {3}
    assert len(counts) == pairs


def test_two_models_asked_in_turn_use_both_keys_each() -> None:
    """A pattern that passes names through: each name has turns of its own."""
    pools = Pools({"p": 2})
    counts = Counter(served(pools, model) for _ in range(6) for model in (A, B))
    assert counts == {Pair(model, key): 3 for model in (A, B) for key in (0, 1)}


def test_targets_come_in_turn_before_their_next_keys() -> None:
    pools = Pools({"p": 2, "q": 1})
    order = [served(pools, A, ELSEWHERE) for _ in range(4)]
    assert order == [Pair(A, 0), Pair(ELSEWHERE, 0), Pair(A, 1), Pair(A, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_that_do_not_rest_stay_even_whatever_others_do(seed: int) -> None:
    """In any stretch in which two pairs are both well."""
    chance = random.Random(seed)
    keys, targets = chance.randint(1, 5), chance.randint(2, 5)
    pools = Pools({"p": keys})
    destinations = [Destination("p", f"m{number}") for number in range(targets)]
    pairs = [Pair(d, k) for d in destinations for k in range(keys)]
    sick = set(chance.sample(pairs, chance.randint(0, len(pairs) - 2)))
    well = [pair for pair in pairs if pair not in sick]
    counts: Counter[Pair] = Counter()
    for now in range(600):
        choice = pools.choice(tuple(destinations))
        while (pair := choice.next(float(now))) is not None:
            if pair not in sick or chance.random() < 0.5:
                choice.served()
                counts[pair] += 1
                break
            choice.failed(refused(404), float(now))
        else:
            pytest.fail("a well pair was not asked")
    values = [counts[pair] for pair in well]
    assert max(values) - min(values) <= CREDIT + 2


@pytest.mark.parametrize(("keys", "targets"), list(itertools.product(range(1, 6), repeat=2)))
def test_random_failures_leave_the_spread_even_and_lose_no_request(keys: int, targets: int) -> None:
    spread = simulated(keys, targets, 3_000)
    least, most = spread.shares
    assert spread.lost == 0
    assert least > 0.8
    assert most < 1.2


def test_who_comes_back_is_not_flooded() -> None:
    pools = Pools({"p": 2})
    failing(pools, A, error=refused(429, 3600.0))
    for now in range(1, 1000):
        assert served(pools, A, now=float(now)) == Pair(A, 1)
    back = [served(pools, A, now=3700.0).key for _ in range(20)]
    assert back.count(0) <= 10 + CREDIT
    assert back[CREDIT + 2 :] in ([1, 0] * 7 + [1], [0, 1] * 7 + [0])


def test_fail_over_takes_the_first_target_with_all_its_keys_in_turn() -> None:
    pools = Pools({"p": 2, "q": 1})
    assert [served(pools, A, ELSEWHERE, balance="failover") for _ in range(3)] == [Pair(A, 0), Pair(A, 1), Pair(A, 0)]
    choice = pools.choice((A, ELSEWHERE), "failover")
    assert choice.next(1.0) == Pair(A, 1)
    choice.failed(Unreachable("refused"), 1.0)
    assert choice.next(1.0) == Pair(ELSEWHERE, 0)
    assert served(pools, A, ELSEWHERE, now=1.5, balance="failover") == Pair(ELSEWHERE, 0)
    assert served(pools, A, ELSEWHERE, now=1.0 + FIRST_TARGET_REST, balance="failover").destination == A


# -- Blame


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        *[(refused(status), Blame.REQUEST) for status in (400, 413, 422)],
        *[(refused(status), Blame.KEY_OUT) for status in (401, 403)],
        *[(refused(status), Blame.KEY) for status in (402, 429)],
        *[(refused(status), Blame.TARGET) for status in (408, 500, 502, 503, 504, 529)],
        *[(refused(status), Blame.NOTHING) for status in (404, 405, 409, 410)],
        (Broken("cut"), Blame.TARGET),
        (Malformed("nonsense"), Blame.TARGET),
        (Unreachable("refused"), Blame.DOWN),
        (TimedOut("silent"), Blame.DOWN),
        (UpstreamError("", status=403, raw={"error": {"metadata": {"flagged_input": "x"}}}), Blame.NOTHING),
        (UpstreamError("", status=403, raw={"error": "no"}), Blame.KEY_OUT),
    ],
)
def test_what_a_failure_says(error: CcproxyError, expected: Blame) -> None:
    assert blame(error) is expected


def test_a_request_at_fault_moves_on_nowhere_and_rests_nothing() -> None:
    pools = Pools({"p": 2})
    choice = pools.choice((A,))
    choice.next(0.0)
    assert not choice.failed(refused(400), 0.0)
    assert "0 rests" in repr(pools)


def test_a_missing_model_moves_on_and_rests_nothing() -> None:
    pools = Pools({"p": 1, "q": 1})
    choice = pools.choice((A, ELSEWHERE))
    choice.next(0.0)
    assert choice.failed(refused(404), 0.0)
    assert choice.next(0.0) == Pair(ELSEWHERE, 0)
    assert choice.next(0.0) is None
    assert "0 rests" in repr(pools)


# -- Rest


def test_a_limited_key_rests_as_long_as_it_was_told() -> None:
    pools = Pools({"p": 2})
    failing(pools, A, error=refused(429, 30.0))
    assert {served(pools, A, now=now).key for now in (1.0, 2.0, 29.9)} == {1}
    assert served(pools, A, now=30.0).key == 0


@pytest.mark.parametrize(
    ("error", "first", "longest"),
    [(refused(429), FIRST_KEY_REST, LONGEST_KEY_REST), (refused(500), FIRST_TARGET_REST, LONGEST_TARGET_REST)],
)
def test_a_rest_that_nobody_tells_grows_until_an_answer_succeeds(error: CcproxyError, first: float, longest: float) -> None:
    pools, now, waits = Pools({"p": 2}), 0.0, list[float]()
    pools.choice((A,)).next(now)
    for _ in range(10):
        choice = failing(pools, A, error=error, now=now)
        while choice.next(now) is not None:
            choice.failed(error, now)
        seconds = wait(choice, now)
        assert seconds is not None
        waits.append(seconds)
        now += seconds
    assert waits[:3] == [first, 2 * first, 4 * first]
    assert waits[-1] == longest
    served(pools, A, now=now)
    served(pools, A, now=now)
    again = failing(pools, A, error=error, now=now + 1)
    while again.next(now + 1) is not None:
        again.failed(error, now + 1)
    assert wait(again, now + 1) == first


def test_requests_that_were_under_way_count_once() -> None:
    pools = Pools({"p": 1, "q": 1})
    under_way = [pools.choice((A,)) for _ in range(4)]
    for choice in under_way:
        choice.next(0.0)
    for late, choice in enumerate(under_way):
        choice.failed(refused(429), 1.0 + late)
    assert wait(under_way[0], 4.0) == FIRST_KEY_REST


def test_a_success_that_was_under_way_ends_no_rest() -> None:
    pools = Pools({"p": 2})
    early = pools.choice((A,))
    pair = early.next(0.0)
    other = pools.choice((A,))
    other.next(0.5)
    third = pools.choice((A,))
    assert third.next(1.0) == pair
    third.failed(refused(429, 60.0), 2.0)
    early.served()
    assert {served(pools, A, now=3.0) for _ in range(3)} == {Pair(A, 1)}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_out_whatever_happens(status: int) -> None:
    pools = Pools({"p": 2})
    late = pools.choice((A,))
    assert late.next(0.0) == Pair(A, 0)
    served(pools, A)
    failing(pools, A, error=refused(status))
    late.failed(refused(429, 5.0), 1.0)
    late.served()
    assert {served(pools, A, now=now) for now in (2.0, 1e6, 1e9)} == {Pair(A, 1)}
    assert {served(pools, B, now=now) for now in (2.0, 3.0)} == {Pair(B, 1)}


INHERITED = [
    (refused(429, 100.0), {"p"}, 100.0),
    (refused(503), {"p"}, FIRST_TARGET_REST),
    (Unreachable("gone"), {"p"}, FIRST_TARGET_REST),
    (refused(401), {"p"}, None),  # the changed file may have made the key a good one
    (refused(429, 100.0), {"q"}, None),
]


@pytest.mark.parametrize(("error", "same", "rests"), INHERITED)
def test_pools_of_a_changed_file_inherit_what_rests(error: CcproxyError, same: set[str], rests: float | None) -> None:
    before, after = Pools({"p": 1}), Pools({"p": 1})
    begun = failing(before, A, error=error)
    after.inherit(before, same)
    if rests is None:
        assert served(after, A).destination == A
        return
    choice = after.choice((A,))
    assert choice.next(rests / 2) is None
    assert wait(choice, rests / 2) == rests / 2
    assert served(after, A, now=rests).destination == A
    begun.failed(refused(429, 1000.0), rests)  # a request under way tells the old ones
    assert served(after, A, now=rests).destination == A


def test_with_every_key_out_only_a_new_file_helps() -> None:
    pools = Pools({"p": 2})
    choice = failing(pools, A, error=refused(401))
    choice.next(0.0)
    choice.failed(refused(401), 0.0)
    assert choice.next(0.0) is None
    assert wait(choice, 0.0) == PERSON


def test_a_limited_key_is_avoided_by_other_models_but_not_refused_to_them() -> None:
    """Providers count limits by key, by model, or both."""
    pools = Pools({"p": 2})
    failing(pools, A, error=refused(429, 60.0))
    assert {served(pools, B, now=1.0) for _ in range(3)} == {Pair(B, 1)}
    failing(pools, B, error=refused(429, 60.0), now=2.0)
    both_rest = pools.choice((B,))
    assert both_rest.next(3.0) == Pair(B, 0)
    both_rest.served()
    assert both_rest.next(3.0) is None
    assert served(pools, A, now=4.0) == Pair(A, 1)


def test_a_failing_target_is_asked_with_its_other_key_before_a_request_fails() -> None:
    pools = Pools({"p": 2, "q": 1})
    choice = failing(pools, A, ELSEWHERE, error=refused(500))
    assert choice.next(0.0) == Pair(ELSEWHERE, 0)
    choice.failed(refused(500), 0.0)
    assert choice.next(0.0) == Pair(A, 1)
    choice.served()
    assert served(pools, A, now=0.1) == Pair(A, 1)


@pytest.mark.parametrize("error", [Unreachable("refused"), TimedOut("silent")])
def test_a_target_that_is_not_there_is_asked_once(error: CcproxyError) -> None:
    choice = failing(Pools({"p": 3}), A, error=error)
    assert choice.next(0.0) is None
    assert wait(choice, 0.0) == FIRST_TARGET_REST


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [(429, 0.0, 1.0), (429, 1e12, LONGEST_SAID_REST), (503, 30.0, 30.0), (503, 1e12, LONGEST_TARGET_REST)],
)
def test_what_an_upstream_says_is_believed_within_reason(status: int, said: float, expected: float) -> None:
    choice = failing(Pools({"p": 1, "q": 1}), A, error=refused(status, said))
    assert choice.next(0.0) is None
    assert wait(choice, 0.0) == expected


def test_the_verdict_is_the_soonest_of_all_and_says_why() -> None:
    pools = Pools({"p": 1, "q": 1})
    choice = failing(pools, A, ELSEWHERE, error=refused(429, 40.0))
    choice.next(0.0)
    last = UpstreamError("oh no", status=500, headers=[("retry-after", "9"), ("x-request-id", "r")])
    choice.failed(last, 0.0)
    assert choice.next(0.0) is None
    verdict = choice.verdict(last, 0.0)
    assert (verdict.status, verdict.retry_after, verdict.headers) == (503, FIRST_TARGET_REST, (("x-request-id", "r"),))
    assert verdict.message == "every upstream for this model rests after failures; the last one said: oh no"
    later = pools.choice((A, ELSEWHERE))
    assert later.next(0.5) is None
    assert later.verdict(None, 0.5).retry_after == FIRST_TARGET_REST - 0.5
    limited = failing(pools, ELSEWHERE, error=refused(429, 9.0), now=2.0).verdict(None, 2.0)
    assert (limited.status, limited.retry_after) == (429, 9.0)
    assert limited.message == "every upstream for this model rests after failures"


def test_where_waiting_would_not_help_the_error_itself_is_told() -> None:
    cannot = Unsupported("image", "q")
    choice = failing(Pools({"p": 1, "q": 1}), A, error=cannot)
    assert choice.next(0.0) is None
    assert choice.verdict(cannot, 0.0) is cannot


# -- Bounds


def test_lists_and_rests_that_clients_names_make_are_bounded() -> None:
    pools = Pools({"p": 2})
    for number in range(3 * MANY):
        failing(pools, Destination("p", f"m{number}"), error=refused(500), now=float(10 * number))
    lists, rests = (int(word.split()[0]) for word in repr(pools).rstrip(")").split(", ")[1:])
    assert lists == MANY
    assert rests <= MANY + 2


def test_one_pair_is_no_choice() -> None:
    pools = Pools({"p": 1, "q": 0, "r": 2})
    assert pools.is_one((A,))
    assert pools.is_one((ELSEWHERE,))
    assert not pools.is_one((A, B))
    assert not pools.is_one((Destination("r", "a"),))
