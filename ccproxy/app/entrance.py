"""Where requests that begin alike come in: what their heads and the model's name decide is decided once.

    head ── its likeness ──> Entrance ── accept ──> an Exchange for each request
                                └── route(model) ──> Plan, or Candidates with a Choice for each request

Fast for a reason: an agent sends the same head with each turn, and asks for the same few models. Route, key, group, rules
and headers follow from these alone, so that the App keeps an Entrance for each likeness that it has let in
(`http1.RequestHead`), and an Entrance the plans for the names that were asked for. Both go with their App when the
configuration changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from attrs import define, field, frozen

from ccproxy.actions import Accept
from ccproxy.app.router import Match
from ccproxy.app.store import Shelf
from ccproxy.exchange import Exchange
from ccproxy.model import Context
from ccproxy.plans import Candidates, Plan
from ccproxy.policy.keys import Balance, Pair, Pools
from ccproxy.policy.routing import Destination
from ccproxy.transport.http1 import RequestHead

_NAMES = 16
"""Names of models whose plans an Entrance keeps. A client asks for a handful; a pattern may pass any name through."""

_LONGEST_NAME = 200
"""Characters of such a name: a client may send megabytes for one."""

_KEPT = 64
"""Entrances that an App keeps: several clients with several kinds of requests each."""


@frozen
class Lead:
    """Where a name leads: the destinations that may serve it, and how to plan for a pair of one of them and a key."""

    destinations: tuple[Destination, ...]
    balance: Balance
    plan: Callable[[Pair], Plan]


@define(eq=False)
class _Planned:
    """A Lead with the plans that were made, which no request changes."""

    lead: Lead
    only: Plan | None
    plans: dict[Pair, Plan] = field(factory=dict)

    def plan(self, pair: Pair) -> Plan:
        plan = self.plans.get(pair)
        if plan is None:
            plan = self.plans[pair] = self.lead.plan(pair)
        return plan


class _Ids:
    """Random ids, drawn many at a time, so that not every request calls the system for its own."""

    _DIGITS, _COUNT = 24, 128

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """What was drawn and not given."""
        self._drawn: Iterator[str] = iter(())

    def next(self) -> str:
        """One that nobody was given before."""
        id = next(self._drawn, "")
        if not id:
            drawn = os.urandom(self._COUNT * self._DIGITS // 2).hex()
            self._drawn = iter([drawn[at : at + self._DIGITS] for at in range(0, len(drawn), self._DIGITS)])
            id = next(self._drawn)
        return id


_IDS = _Ids()
if hasattr(os, "register_at_fork"):  # a program's child must not give what its parent gives; Windows has no such children
    os.register_at_fork(after_in_child=_IDS.forget)


class Entrance:
    """See the module. head: of the first of these requests. match, memory, max_body: of all. lead: where a model's name
    leads; raises NotFound and Forbidden."""

    def __init__(
        self,
        head: RequestHead,
        match: Match,
        memory: Shelf | None,
        max_body: int,
        pools: Pools,
        lead: Callable[[str], Lead],
    ) -> None:
        self._match = match
        self._headers = [field for field in head.headers if field[0] in match.protocol.pass_headers]
        self._memory = memory
        self._max_body = max_body
        self._pools = pools
        self._lead = lead
        self._ids = _IDS
        self._names: dict[str, _Planned] = {}

    def __repr__(self) -> str:
        return f"<Entrance {self._match.group}{self._match.call.path} names={len(self._names)}>"

    def accept(self) -> Accept:
        """For one request."""
        match = self._match
        context = Context(client=match.protocol.name, upstream="", id=self._ids.next(), created=int(time.time()))
        operation = match.route.operation
        exchange = Exchange(
            match.protocol, context, match.call, self.route, self._headers, match.group, operation, self._memory
        )
        return Accept(exchange, self._max_body)

    def route(self, model: str) -> Plan | Candidates:
        """Which upstreams may serve `model`. Raises NotFound and Forbidden."""
        planned = self._names.get(model)
        if planned is None:
            planned = self._planned(model)
        if planned.only is not None:
            return planned.only
        lead = planned.lead
        return Candidates(self._pools.choice(lead.destinations, lead.balance), planned.plan)

    def _planned(self, model: str) -> _Planned:
        lead = self._lead(model)
        alone = self._pools.is_one(lead.destinations)
        planned = _Planned(lead, lead.plan(Pair(lead.destinations[0], 0)) if alone else None)
        if len(model) <= _LONGEST_NAME:
            if len(self._names) >= _NAMES:
                self._names.clear()
            self._names[model] = planned
        return planned


class Entrances:
    """Those of one App, by the likeness of the heads."""

    def __init__(self) -> None:
        self._of: dict[object, Entrance] = {}

    def __repr__(self) -> str:
        return f"<Entrances {len(self._of)}>"

    def known(self, head: RequestHead) -> Entrance | None:
        """The one for this head, if it was let in before."""
        return self._of.get(head.likeness)

    def keep(self, head: RequestHead, entrance: Entrance) -> None:
        """For the next head like this one, which has been let in."""
        if head.likeness is not None:
            if len(self._of) >= _KEPT:
                self._of.clear()
            self._of[head.likeness] = entrance
