"""Which (target, key) pair serves a request, and which come next when it fails. Pure: the time is an argument.

    Pools ── one per configuration: what rests, and a Rota for each list of destinations that names lead to
      └── Choice ── one per request: next(now) -> Pair ... failed(error, now) -> next(now) ... served()

- A key is known by its number here; its text never comes in, so that it cannot come out.
- Even spread: each pair of a list has a turn, and the pair whose turn is lowest is asked (start-time fair queueing). One
  that rested comes back to the present round, with a few turns to catch up.
- What a failure says is in `blame`. A pair that failed rests itself. Beside it its key or its target is avoided: other
  pairs with them are asked when no better one is there, and before a request fails. So a limit that a provider counts for
  each model rests one model only, where there is nothing else to ask.
- 401 and 403 take the key out for good: until a changed file makes new Pools, which inherit the other rests.
- A rest without `retry-after` doubles each time until an answer succeeds. Failures of requests that were already under way
  when a rest began do not count again.

Two lists may share keys and targets: rests are shared, turns are each list's own.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import Enum
from typing import Literal

from attrs import define, evolve, field, frozen

from ccproxy.errors import CcproxyError, TimedOut, Unreachable, Unsupported, UpstreamError
from ccproxy.policy.routing import Destination

Balance = Literal["rotate", "failover"]

FIRST_KEY_REST, LONGEST_KEY_REST = 5.0, 300.0
"""Seconds after a 429 that names no time. Most limits are counted by the minute and refill all the time; LiteLLM begins
with 5 s too. A quota that is used up is asked for every five minutes."""

FIRST_TARGET_REST, LONGEST_TARGET_REST = 1.0, 60.0
"""Seconds after a 5xx or a failed connection. An overloaded server or a restart takes seconds; a minute is soon enough to
see that an outage is over."""

LONGEST_SAID_REST = 86_400.0
"""The most that an upstream's own `retry-after` is believed: daily quotas say up to a day."""

PERSON = 60.0
"""Seconds that a client is told to wait where only a changed file helps: OpenAI's and Anthropic's SDKs heed no more."""

_ALL_OUT = "the providers refuse every key for this model (401 or 403), until the configuration changes"

CREDIT = 3
"""Turns that a pair which rested may catch up, in a row: enough that short rests leave no mark on the spread, few enough
that one which was away for an hour is not flooded. See `bench/spread.py`."""

MANY = 1024
"""Rotas and rests that are remembered: names come from clients (a pattern makes a list for each), and are not bounded."""


class Blame(Enum):
    """What failed, and so what helps. REQUEST: it would fail anywhere. NOTHING: this pair cannot serve it, another may."""

    REQUEST = "request"
    NOTHING = "nothing"
    KEY_OUT = "key out"
    KEY = "key"
    TARGET = "target"
    DOWN = "down"


_BLAMES = {
    400: Blame.REQUEST,
    413: Blame.REQUEST,
    422: Blame.REQUEST,
    401: Blame.KEY_OUT,
    403: Blame.KEY_OUT,
    402: Blame.KEY,  # no balance: DeepSeek ("Error Codes"), OpenRouter ("Errors")
    429: Blame.KEY,
    408: Blame.TARGET,
}


def blame(error: CcproxyError) -> Blame:
    """What the failure of a pair says of it. Other statuses of 4xx (404: no such model there) rest nothing."""
    if isinstance(error, (Unreachable, TimedOut)):
        return Blame.DOWN
    if isinstance(error, Unsupported) or _is_moderated(error):
        return Blame.NOTHING
    return _BLAMES.get(error.status, Blame.TARGET if error.status >= 500 else Blame.NOTHING)


def _is_moderated(error: CcproxyError) -> bool:
    """OpenRouter's 403 is no word about the key where the input was flagged ("Errors and Debugging", moderation)."""
    if error.status != 403:
        return False
    inner = error.raw.get("error") if isinstance(error.raw, dict) else None
    metadata = inner.get("metadata") if isinstance(inner, dict) else None
    return isinstance(metadata, dict) and "flagged_input" in metadata


@frozen(cache_hash=True)
class Pair:
    """A provider's model and the number of one of the provider's keys, from 0 (also where it has none)."""

    destination: Destination
    key: int


Subject = Pair | tuple[str, int] | Destination
"""What may rest: a pair; a provider's key, whatever the model; a target, whatever the key."""


# ---------------------------------------------------------------------------------------------------------------------
# Rest


@define
class _Rest:
    """since: when it began. hard: everything that needs the resting one waits; else it is only avoided."""

    since: float = -math.inf
    until: float = -math.inf
    strikes: int = 0
    limited: bool = False
    hard: bool = False


class _Rests:
    """What rests: pairs, keys as (provider, number), targets as Destination."""

    def __init__(self) -> None:
        self._of: dict[Subject, _Rest] = {}

    def __len__(self) -> int:
        return len(self._of)

    def of(self, subject: Subject, now: float) -> _Rest | None:
        rest = self._of.get(subject)
        return rest if rest is not None and now < rest.until else None

    def hard(self, pair: Pair, now: float) -> list[_Rest]:
        """What this pair has to wait for."""
        found = [self.of(subject, now) for subject in _subjects(pair)]
        return [rest for rest in found if rest is not None and rest.hard]

    def avoided(self, pair: Pair, now: float) -> bool:
        return any(self.of(subject, now) is not None for subject in _subjects(pair))

    def strike(
        self,
        subject: Subject,
        asked: float,
        now: float,
        seconds: float | None,
        span: tuple[float, float],
        limited: bool = False,
        hard: bool = False,
    ) -> None:
        """seconds: what the upstream said. span: the first and the longest rest otherwise."""
        rest = self._of.get(subject)
        if rest is None:
            self._forget(now)
            rest = self._of[subject] = _Rest()
        if asked > rest.since:
            rest.strikes += 1
        first, longest = span
        wait = min(longest, first * 2.0 ** min(rest.strikes - 1, 30)) if seconds is None else seconds
        stays_hard = rest.hard and now < rest.until  # as a key that is out, whatever else it is answered
        rest.since, rest.until = now, max(rest.until, now + wait)
        rest.limited, rest.hard = limited, hard or stays_hard

    def recover(self, pair: Pair, asked: float) -> None:
        """The pair has served what it was asked at that time."""
        for subject in _subjects(pair):
            rest = self._of.get(subject)
            if rest is not None and rest.since <= asked:
                del self._of[subject]

    def of_providers(self, names: Container[str]) -> _Rests:
        """Those that end, of these providers, as they are now."""
        rests, now = _Rests(), dict(self._of)  # copied in one go: another thread may ask
        rests._of = {
            subject: evolve(rest)
            for subject, rest in now.items()
            if rest.until < math.inf and _provider_of(subject) in names
        }
        return rests

    def _forget(self, now: float) -> None:
        if len(self._of) >= MANY:
            self._of = {subject: rest for subject, rest in self._of.items() if now < rest.until}


def _provider_of(subject: Subject) -> str:
    if isinstance(subject, tuple):
        return subject[0]
    return subject.destination.provider if isinstance(subject, Pair) else subject.provider


def _subjects(pair: Pair) -> tuple[Subject, Subject, Subject]:
    return pair, (pair.destination.provider, pair.key), pair.destination


# ---------------------------------------------------------------------------------------------------------------------
# Turns


class _Turns:
    """Pairs that are asked evenly."""

    __slots__ = ("_now", "_of", "pairs")

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs = tuple(pairs)
        self._of = dict.fromkeys(self.pairs, 0)
        self._now = 0

    def take(self, pairs: Sequence[Pair]) -> Pair:
        """The one of `pairs` (some of ours, in our order) whose turn it is."""
        earliest, of = self._now - CREDIT, self._of
        pair = min(pairs, key=lambda each: max(earliest, of[each]))
        turn = max(earliest, of[pair])
        of[pair] = turn + 1
        self._now = max(self._now, turn)
        return pair


Rota = tuple[_Turns, ...]
"""Ranks: a later one is asked when no pair of an earlier one will do."""


def _rota(destinations: Sequence[Destination], keys: Mapping[str, int], balance: Balance) -> Rota:
    """Within a rank the targets come in turn before their next keys."""
    ranks = [destinations] if balance == "rotate" else [[destination] for destination in destinations]
    return tuple(_Turns(_pairs(rank, keys)) for rank in ranks)


def _pairs(destinations: Sequence[Destination], keys: Mapping[str, int]) -> list[Pair]:
    counts = [max(1, keys.get(destination.provider, 0)) for destination in destinations]
    return [
        Pair(destination, number)
        for number in range(max(counts))
        for destination, count in zip(destinations, counts, strict=True)
        if number < count
    ]


# ---------------------------------------------------------------------------------------------------------------------


class Pools:
    """keys: how many keys each provider has."""

    def __init__(self, keys: Mapping[str, int]) -> None:
        self._keys = dict(keys)
        self._rests = _Rests()
        self._rotas: dict[tuple[Balance, tuple[Destination, ...]], Rota] = {}

    def __repr__(self) -> str:
        return f"Pools({sum(self._keys.values())} keys, {len(self._rotas)} lists, {len(self._rests)} rests)"

    def inherit(self, before: Pools, same: Container[str]) -> None:
        """Takes over what rests, for providers of which nothing has changed (`same`). What is out until the configuration
        changes gets another chance. Requests under way tell the Pools that they began with how they fared."""
        self._rests = before._rests.of_providers(same)

    def is_one(self, destinations: tuple[Destination, ...]) -> bool:
        """Whether there is only one pair, so that there is nothing to choose and nobody gains by its rest."""
        return len(destinations) == 1 and self._keys.get(destinations[0].provider, 0) <= 1

    def choice(self, destinations: tuple[Destination, ...], balance: Balance = "rotate") -> Choice:
        """For one request."""
        wanted = (balance, destinations)
        rota = self._rotas.get(wanted)
        if rota is None:
            if len(self._rotas) >= MANY:
                del self._rotas[next(iter(self._rotas))]
            rota = self._rotas[wanted] = _rota(destinations, self._keys, balance)
        return Choice(rota, self._rests)


@define
class Choice:
    """The pairs that one request is sent to, each at most once."""

    _rota: Rota
    _rests: _Rests
    _tried: set[Pair] = field(factory=set)
    _pair: Pair | None = None
    _asked: float = 0.0

    def next(self, now: float) -> Pair | None:
        """The pair to ask now; None when none is left that could serve."""
        self._pair = self._best(now)
        if self._pair is not None:
            self._tried.add(self._pair)
            self._asked = now
        return self._pair

    def failed(self, error: CcproxyError, now: float) -> bool:
        """The pair that was asked last failed. Rests what is to blame; true where another pair may do better."""
        pair, blamed = self._pair, blame(error)
        if pair is not None:
            _CONSEQUENCES[blamed](self._rests, pair, error.retry_after, self._asked, now)
        return blamed is not Blame.REQUEST

    def served(self) -> None:
        """The pair that was asked last has answered."""
        if self._pair is not None and len(self._rests):
            self._rests.recover(self._pair, self._asked)

    def verdict(self, error: CcproxyError | None, now: float) -> CcproxyError:
        """What the client is told when no pair is left: when the first of them can serve again. error: the last failure,
        None where every pair was at rest; told itself where nothing rests, since waiting would not help."""
        waits = [self._rests.hard(pair, now) for turns in self._rota for pair in turns.pairs]
        lasts = [max(rests, key=lambda rest: rest.until) for rests in waits if rests]
        if error is not None and not lasts:
            return error
        soonest = min(lasts, key=lambda rest: rest.until)
        seconds = soonest.until - now
        message = "every upstream for this model rests after failures" if seconds < math.inf else _ALL_OUT
        return UpstreamError(
            message if error is None else f"{message}; the last one said: {error.message}",
            status=429 if soonest.limited else 503,
            code="upstreams_rest",
            retry_after=seconds if seconds < math.inf else PERSON,
            headers=[] if error is None else [header for header in error.headers if header[0] != "retry-after"],
        )

    def _best(self, now: float) -> Pair | None:
        """Of the first rank that has one: a pair of which nothing rests, else one that is only avoided."""
        avoided: tuple[_Turns, list[Pair]] | None = None
        for turns in self._rota:
            if not len(self._rests) and not self._tried:
                return turns.take(turns.pairs)
            able = [p for p in turns.pairs if p not in self._tried and not self._rests.hard(p, now)]
            best = [p for p in able if not self._rests.avoided(p, now)]
            if best:
                return turns.take(best)
            if able and avoided is None:
                avoided = turns, able
        return None if avoided is None else avoided[0].take(avoided[1])


_TARGET_SPAN = (FIRST_TARGET_REST, LONGEST_TARGET_REST)


def _rest_nothing(rests: _Rests, pair: Pair, said: float | None, asked: float, now: float) -> None: ...


def _rest_key(rests: _Rests, pair: Pair, said: float | None, asked: float, now: float) -> None:
    seconds = None if said is None else min(max(said, 1.0), LONGEST_SAID_REST)
    span = (FIRST_KEY_REST, LONGEST_KEY_REST)
    rests.strike(pair, asked, now, seconds, span, limited=True, hard=True)
    rests.strike((pair.destination.provider, pair.key), asked, now, seconds, span, limited=True)


def _take_key_out(rests: _Rests, pair: Pair, said: float | None, asked: float, now: float) -> None:
    rests.strike((pair.destination.provider, pair.key), asked, now, math.inf, _TARGET_SPAN, hard=True)


def _rest_target(rests: _Rests, pair: Pair, said: float | None, asked: float, now: float) -> None:
    seconds = None if said is None else min(max(said, 1.0), LONGEST_TARGET_REST)
    rests.strike(pair, asked, now, seconds, _TARGET_SPAN, hard=True)
    rests.strike(pair.destination, asked, now, seconds, _TARGET_SPAN)


def _rest_whole_target(rests: _Rests, pair: Pair, said: float | None, asked: float, now: float) -> None:
    """Nobody is there; with another key neither."""
    rests.strike(pair.destination, asked, now, None, _TARGET_SPAN, hard=True)


_CONSEQUENCES = {
    Blame.REQUEST: _rest_nothing,
    Blame.NOTHING: _rest_nothing,
    Blame.KEY: _rest_key,
    Blame.KEY_OUT: _take_key_out,
    Blame.TARGET: _rest_target,
    Blame.DOWN: _rest_whole_target,
}
