"""Drives one Life between a client's connection and its upstream, without I/O: calls it, carries out its actions.

    client connection ── begin, body, gone, pause ──>  Driver  ── Errand ──>  upstream
                      <── Answer: reply, commit, write, end ──         <── head, data, eof, failed ──

- A life may do what its answer needs `meanwhile`: a wire sends what is written at once, so that the request has left.
- What a life says in one turn (one read, one tick) is gathered and flushed once: one turn, one write.
- After the commit `data` is the path of a chunk: pump, frame, flush. No action, no clock, no await. `one` is that path for
  a read that brought one piece and nothing else: fewer steps, since in a stream of events nearly every read is such a one,
  and the caches are cold when it comes.
- An error out of a life is a bug of ours. It ends here: logged, the upstream aborted, the client answered or cut off.
  The server lives on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from ccproxy.actions import Abort, Action, Commit, Dial, End, Finished, Life, Release, Reply, Write
from ccproxy.errors import CcproxyError, UpstreamError
from ccproxy.transport.http1 import Headers
from ccproxy.transport.upstream import Errand, Upstreams

log = logging.getLogger("ccproxy")


class Answer(Protocol):
    """The client's side of one request. Nothing is sent before `flush`."""

    def reply(self, reply: Reply) -> None:
        """The whole answer."""

    def commit(self, commit: Commit) -> None:
        """The head and the first bytes of a streamed one."""

    def write(self, data: bytes) -> None:
        """More of it."""

    def end(self) -> None:
        """That was all of it."""

    def finished(self, record: Any) -> None:
        """The life is over; `record` is for the app."""

    def broken(self) -> None:
        """The life failed by a bug: answer what can be answered."""

    def flush(self) -> None: ...

    def send(self, data: bytes) -> None:
        """`write` and `flush`."""


class Driver:
    """See the module."""

    standing = False
    """Its answer has an end."""

    __slots__ = ("_answer", "_clock", "_committed", "_errand", "_life", "_over", "_paused", "_upstreams")

    def __init__(self, life: Life, answer: Answer, upstreams: Upstreams, clock: Callable[[], float]) -> None:
        self._life = life
        self._answer = answer
        self._upstreams = upstreams
        self._clock = clock
        self._errand: Errand | None = None
        self._committed = False
        self._over = False
        self._paused = False

    def __repr__(self) -> str:
        phase = "over" if self._over else "committed" if self._committed else "open"
        return f"<Driver {phase} {self._errand} {self._life}>"

    # From the client's connection

    def begin(self) -> None:
        self._turn(self._life.begin)

    def body(self, data: bytes) -> None:
        self._turn(self._life.body, data)

    def body_failed(self, error: Exception) -> None:
        self._turn(self._life.body_failed, error)

    def client_gone(self) -> None:
        """Whatever the life makes of it, the upstream is not needed any more."""
        self._turn(self._life.client_gone)
        self._drop_upstream()
        self._over = True

    def tick(self) -> None:
        self._turn(self._life.tick)

    def pause(self) -> None:
        """The client takes nothing more for now."""
        self._paused = True
        if self._errand is not None:
            self._errand.pause()

    def resume(self) -> None:
        self._paused = False
        self._life.resumed()
        if self._errand is not None:
            self._errand.resume()

    # From the errand

    def head(self, status: int, headers: Headers) -> None:
        self._call(self._life.upstream_head, status, headers)

    def data(self, data: bytes) -> None:
        life = self._life
        if not self._committed:
            self._call(life.upstream_bytes, data)
            return
        try:
            out = life.pump(data)
        except Exception:
            self._broken()
            return
        if out:
            self._answer.write(out)
        if life.done:
            self._call(life.ended)

    def one(self, data: bytes) -> None:
        life = self._life
        if not self._committed:
            self.data(data)
            self.flush()
            return
        try:
            out = life.pump(data)
        except Exception:
            self._broken()
            self.flush()
            return
        if life.done:
            if out:
                self._answer.write(out)
            self._call(life.ended)
            self.flush()
        elif out:
            self._answer.send(out)

    def eof(self) -> None:
        self._errand = None
        self._call(self._life.upstream_eof)

    def failed(self, error: UpstreamError) -> None:
        self._errand = None
        self._call(self._life.upstream_failed, error)

    def flush(self) -> None:
        self._answer.flush()

    # Calls and actions

    def _turn(self, method: Callable[..., list[Action]], *arguments: Any) -> None:
        self._call(method, *arguments)
        self._answer.flush()

    def _call(self, method: Callable[..., list[Action]], *arguments: Any) -> None:
        if self._over:
            return
        try:
            if actions := method(*arguments, self._clock()):
                self._carry_out(actions)
            if self._committed and not self._over and self._life.done:
                self._carry_out(self._life.ended(self._clock()))
        except Exception:
            self._broken()

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            _HOW[type(action)](self, action)

    def _dial(self, action: Dial) -> None:
        self._drop_upstream()
        try:
            self._errand = Errand(action, self, self._upstreams)
        except CcproxyError as error:
            self._call(self._life.upstream_failed, error)
            return
        if self._paused:
            self._errand.pause()
        self._life.meanwhile()

    def _commit(self, action: Commit) -> None:
        self._committed = True
        self._answer.commit(action)

    def _write(self, action: Write) -> None:
        if action.data:
            self._answer.write(action.data)

    def _reply(self, action: Reply) -> None:
        self._answer.reply(action)

    def _end(self, action: End) -> None:
        self._answer.end()

    def _abort(self, action: Abort) -> None:
        self._drop_upstream()

    def _release(self, action: Release) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.release()

    def _finished(self, action: Finished) -> None:
        self._over = True
        self._drop_upstream()
        self._answer.finished(action.record)

    def _drop_upstream(self) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            errand.abort()

    def _broken(self) -> None:
        log.exception("internal error; this request is given up")
        self._over = True
        self._drop_upstream()
        self._answer.broken()


_HOW: dict[type, Callable[[Driver, Any], None]] = {
    Dial: Driver._dial,
    Commit: Driver._commit,
    Write: Driver._write,
    Reply: Driver._reply,
    End: Driver._end,
    Abort: Driver._abort,
    Release: Driver._release,
    Finished: Driver._finished,
}
