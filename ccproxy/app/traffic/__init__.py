"""The traffic log: what clients sent, what went upstream, what came back, what clients got.

    from_client     the request as it came
    to_upstream     as it was sent, once for each attempt
    from_upstream   what that attempt was answered
    to_client       the answer; with it what became of the request

Each is one line of JSON (`lines`), bound to the others by the request's id, and written by a thread (`writer`). While the
log is on, a Recorded (`recording`) stands between the runtime and each exchange: it passes every call and looks at what
goes by. An exchange knows nothing of it, and while the log is off there is nothing there that could cost anything.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from attrs import evolve

from ccproxy.actions import Accept, Reply
from ccproxy.app.access import tokens_of
from ccproxy.app.router import Match
from ccproxy.app.traffic.lines import Line, Masks
from ccproxy.app.traffic.recording import Recorded, Sheet
from ccproxy.app.traffic.writer import Writer
from ccproxy.codec import jsontext
from ccproxy.config import Config, Log, traffic_file
from ccproxy.errors import CcproxyError
from ccproxy.exchange import Exchange
from ccproxy.policy.routing import DEFAULT
from ccproxy.transport.http1 import RequestHead

log = logging.getLogger("ccproxy")

Operation = Callable[[RequestHead, Match, str, float], Accept | Reply]

STRANGE_KEY = 16
"""Characters of a token that is none of ours, from which on it is looked for in texts too. Clients that need no key send
`ollama` or `dummy`, which are words."""


class Traffic:
    """One configuration's part. group_of(group, model): the group that a request belongs to. was: of the configuration
    before, whose file goes on where the settings are the same."""

    def __init__(self, config: Config, group_of: Callable[[str, str], str], was: Traffic | None = None) -> None:
        self.longest = config.log.traffic_body
        self.protocols = {name: provider.protocol for name, provider in config.providers.items()}
        self._settings = config.log
        self._group_of = group_of
        self._secrets = config.secrets
        self._masks = lru_cache(64)(self._masks_with)
        goes_on = was is not None and was._settings == config.log
        self.writer: Writer = was.writer if was is not None and goes_on else _writer(config.log)
        if not goes_on:
            log.info("the traffic log is on: what is asked and answered goes to %s", self.writer.path)

    def __repr__(self) -> str:
        return f"<Traffic {self.writer}>"

    def watching(self, operation: Operation) -> Operation:
        """The operation, with its requests in the log."""

        def watched(head: RequestHead, match: Match, key: str, now: float) -> Accept | Reply:
            verdict = operation(head, match, key, now)
            try:
                return self._recorded(verdict, head, match, key)
            except Exception:
                log.exception("traffic log: internal error; the request goes on")
                return verdict

        return watched

    def refused(self, head: RequestHead, reply: Reply) -> None:
        """A request that was judged on its head and went no further."""
        try:
            Sheet(self, head, tokens_of(head)).replied(reply)
        except Exception:
            log.exception("traffic log: internal error; the request goes on")

    def group_of(self, group: str, model: str) -> str:
        try:
            return self._group_of(group, model)
        except CcproxyError:  # no such model there
            return group or DEFAULT

    def put(self, line: Line, tokens: tuple[str, ...]) -> None:
        """tokens: that the client presented."""

        def made() -> bytes:
            return line.written(self._masks(tokens), self.longest)

        self.writer.put(made, line.held)

    def _recorded(self, verdict: Accept | Reply, head: RequestHead, match: Match, key: str) -> Accept | Reply:
        sheet = Sheet(
            self,
            head,
            tokens_of(head),
            key=key,
            client=match.protocol.name,
            operation=match.route.operation,
            group=match.group,
            model=match.call.model,
        )
        if isinstance(verdict, Reply):
            sheet.replied(verdict)
        elif isinstance(verdict.life, Exchange):
            return evolve(verdict, life=Recorded(verdict.life, sheet))
        return verdict

    def _masks_with(self, tokens: tuple[str, ...]) -> Masks:
        return Masks([*self._secrets, *(token for token in tokens if len(token) >= STRANGE_KEY)])


def _writer(settings: Log) -> Writer:
    path = traffic_file(settings.traffic, os.environ, Path.cwd())
    return Writer(path, settings.traffic_bytes, settings.traffic_files, _missing)


def _missing(count: int) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return jsontext.dumps({"time": now, "direction": "lost", "lines": count})
