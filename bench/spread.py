"""How evenly requests spread: 10,000 over each pool of 1 to 5 keys and 1 to 5 targets, with random failures.

    python -m bench.spread [--requests N] [--seed N] [--calm]

Nothing is sent: the pools decide, a die says how each attempt ends, and the clock is a number. One request comes each
second; one attempt in ten fails: with 429 (with and without `retry-after`), with 5xx, with no connection. --calm: none.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import click
from attrs import define, field

from ccproxy.errors import Unreachable, UpstreamError
from ccproxy.policy.keys import LONGEST_KEY_REST, LONGEST_TARGET_REST, Blame, Pair, Pools, blame
from ccproxy.policy.routing import Destination

MOST = 5
"""Keys and targets of the largest pool."""

FAILURES: list[tuple[float, Callable[[random.Random], UpstreamError]]] = [
    (0.03, lambda chance: UpstreamError("", status=429, retry_after=float(chance.randint(1, 20)))),
    (0.02, lambda chance: UpstreamError("", status=429)),
    (0.04, lambda chance: UpstreamError("", status=chance.choice([500, 502, 503, 529]))),
    (0.01, lambda chance: Unreachable("")),
]
"""(how likely, what the attempt ends in)"""


@define
class Spread:
    """What became of the requests of one pool. unserved: no pair would have them. lost: those among them for which a pair
    was left that had neither been asked nor failed shortly before; there must be none."""

    keys: int
    targets: int
    served: Counter[Pair] = field(factory=Counter)
    attempts: int = 0
    unserved: int = 0
    lost: int = 0

    @property
    def pairs(self) -> int:
        return self.keys * self.targets

    @property
    def shares(self) -> tuple[float, float]:
        """The least and the most that a pair served; 1 is what each would serve if all served the same."""
        counts = [*self.served.values(), *[0] * (self.pairs - len(self.served))]
        fair = max(1, self.served.total()) / self.pairs
        return min(counts) / fair, max(counts) / fair


def simulated(keys: int, targets: int, requests: int, seed: int = 1, *, calm: bool = False) -> Spread:
    """One pool: `keys` keys, each good for all of `targets` models."""
    chance = random.Random(f"{seed} {keys} {targets}")
    destinations = tuple(Destination("p", f"m{number}") for number in range(1, targets + 1))
    pools, spread = Pools({"p": keys}), Spread(keys, targets)
    rests: dict[object, float] = {}  # pairs, and targets that are down: until when they may rest at most
    for now in range(requests):
        choice = pools.choice(destinations)
        while (pair := choice.next(float(now))) is not None:
            spread.attempts += 1
            error = None if calm else _fate(chance)
            if error is None:
                choice.served()
                spread.served[pair] += 1
                break
            choice.failed(error, float(now))
            rests[pair.destination if blame(error) is Blame.DOWN else pair] = now + _longest(error)
        else:
            known = [Pair(destination, number) for destination in destinations for number in range(keys)]
            spread.unserved += 1
            spread.lost += any(max(rests.get(p, 0), rests.get(p.destination, 0)) < now for p in known)
    return spread


def _fate(chance: random.Random) -> UpstreamError | None:
    die = chance.random()
    for likely, make in FAILURES:
        die -= likely
        if die < 0:
            return make(chance)
    return None


def _longest(error: UpstreamError) -> float:
    return error.retry_after or (LONGEST_KEY_REST if error.status == 429 else LONGEST_TARGET_REST)


def table(requests: int, seed: int, *, calm: bool) -> Iterator[str]:
    """Markdown, one row for each pool."""
    yield "| keys | targets | pairs | served | least | most | failed attempts | unserved | lost |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for keys in range(1, MOST + 1):
        for targets in range(1, MOST + 1):
            spread = simulated(keys, targets, requests, seed, calm=calm)
            least, most = spread.shares
            served = spread.served.total()
            failed = spread.attempts - served
            row = [keys, targets, spread.pairs, served, f"{least:.3f}", f"{most:.3f}", failed, spread.unserved, spread.lost]
            yield f"| {' | '.join(map(str, row))} |"


@click.command()
@click.option("--requests", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--calm", is_flag=True, help="No attempt fails.")
def main(requests: int, seed: int, calm: bool) -> None:
    """Print how 10,000 simulated requests spread over pools of 1 to 5 keys and 1 to 5 targets."""
    for line in table(requests, seed, calm=calm):
        click.echo(line)


if __name__ == "__main__":
    main()
