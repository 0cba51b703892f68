"""The configuration file's changes, applied while requests run.

    a thread: look at the files' times ── changed, and at rest since ──> read ── valid: a new App, swapped in
              `reread` (SIGHUP) ─────────────────────────────────────────┘ └──── invalid: the log says it, all stays

What a runtime serves is a Watched: it hands each request's head to the App of the moment. An exchange keeps what it was
made with, so that streams go on under the configuration that they began with. From one App to the next go the store of
earlier answers, the rests of keys and targets, and the model lists, as far as the file says the same of them.

Reading, checking and building take some ten milliseconds, which no stream should wait for, hence a thread: one that only
looks at a file's time twice a second. It needs no runtime, and nothing that a server has not loaded anyway.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ccproxy.actions import Accept, Endpoint, Handoff, Reply
from ccproxy.app import App
from ccproxy.config import Config, load
from ccproxy.errors import CcproxyError, ConfigError
from ccproxy.transport.http1 import RequestHead
from ccproxy.transport.seam import Limits

log = logging.getLogger("ccproxy")

LOOK_SECONDS = 0.5
"""Between two looks at the files. A change waits for one more, since editors and scripts write in pieces."""

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file its time of change, size and number; None where it is not there."""


class Watched:
    """The App of the file as it is now. host, port: what takes the place of the file's own, as on the command line.
    applied: told of each configuration that has come into force."""

    def __init__(
        self,
        path: Path,
        app: App,
        *,
        host: str | None = None,
        port: int | None = None,
        applied: Callable[[Config], None] = lambda config: None,
    ) -> None:
        self._path = path
        self._host, self._port = host, port
        self._bound = (app.config.server.host, app.config.server.port)
        self._applied = applied
        self._app = app
        self._seen = self._stamp()
        self._moving = True  # the file may have changed since it was read
        self._now = threading.Event()
        self._over = False
        self.limits: Limits = app.limits

    def __repr__(self) -> str:
        return f"<Watched {self._app}>"

    @property
    def app(self) -> App:
        return self._app

    # What a runtime calls

    @property
    def warm(self) -> Sequence[tuple[Endpoint, int]]:
        return self._app.warm

    def head(self, head: RequestHead, now: float) -> Accept | Handoff | Reply:
        return self._app.head(head, now)

    def refuse(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        return self._app.refuse(error, head)

    def finished(self, record: object) -> None:
        self._app.finished(record)

    def jobs(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return self._app.jobs()

    # Watching

    def start(self) -> None:
        """Begins to look at the files, until `stop` or the end of the process."""
        threading.Thread(target=self._watch, name="ccproxy-watch", daemon=True).start()

    def stop(self) -> None:
        self._over = True
        self._now.set()

    def reread(self) -> None:
        """Reads the file at once, whether it has changed or not. May be called from a signal handler."""
        self._now.set()

    def look(self) -> None:
        """One look: reads the file where it has changed and rests."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen, self._moving = stamp, True
        elif self._moving:
            self._moving = False
            self.read()

    def read(self) -> None:
        """Puts what the file says now in force, if that is valid."""
        try:
            config = self._configured()
            if config == self._app.config:
                return
            app = App(config, before=self._app)
        except ConfigError as error:
            log.error("%s: refused, the configuration stays as it was", self._path)
            for problem in error.problems:
                log.error("  %s", problem)
            return
        self._app = app
        self._seen, self._moving = self._stamp(), True  # it may name other prompts' files now
        self._applied(config)
        groups, active = len(config.groups), config.server.active_group
        told = f"{groups} group{'s' * (groups != 1)}" + (f", {active} is active" if active else "")
        log.info("%s: read again, %s", self._path, told)

    def _watch(self) -> None:
        while not self._over:
            if self._now.wait(LOOK_SECONDS):
                self._now.clear()
                if not self._over:
                    self._guarded(self.read)
            else:
                self._guarded(self.look)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            log.exception("%s: could not be read again", self._path)

    def _configured(self) -> Config:
        """The file, for the address that is being listened on: it is this one that must not be open without keys."""
        config = load(self._path, host=self._host, port=self._port)
        if (config.server.host, config.server.port) == self._bound:
            return config
        log.warning("%s: another host or port takes a restart", self._path)
        host, port = self._bound
        return load(self._path, host=host, port=port)

    def _stamp(self) -> Stamp:
        prompts = [Path(group.prompt_file) for group in self._app.config.groups.values() if group.prompt_file]
        return tuple(map(_stamp_of, [self._path, *prompts]))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
