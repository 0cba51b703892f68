"""A Responses stream looked at while its bytes pass: usage, the end, and what it takes to end it as a failure.

Only the events that carry the response object (at both ends) are touched, and only for the model's name.
"""

from __future__ import annotations

from collections.abc import Mapping

from ccproxy.codec import jsontext, sse
from ccproxy.errors import Broken, CcproxyError, UpstreamError
from ccproxy.model import Context
from ccproxy.protocols import streams
from ccproxy.protocols.responses.encoder import Encoder
from ccproxy.protocols.responses.open_items import length_of
from ccproxy.protocols.responses.terms import read_error, read_usage, response_error
from ccproxy.protocols.responses.wire import TERMINAL, Event, read_event

_LIFECYCLE = TERMINAL | {"response.created", "response.queued", "response.in_progress"}


class Tap(streams.Tap):
    """See `streams`. Keeps the last response object and sequence number, for `fail`."""

    __slots__ = ("_response", "_sequence")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._response: Event | None = None
        self._sequence = -1

    def look(self, payload: bytes) -> bytes | None:
        self.single = None
        event = read_event(payload)
        if event is None:
            return None
        number = event.get("sequence_number")
        self._sequence = number if type(number) is int else self._sequence + 1
        response = event.get("response")
        if isinstance(response, dict):
            return self._look_at_response(event, response, payload)
        if event["type"] == "error":  # `response.failed`, which clients wait for, may follow
            self.failure = read_error(event)
        elif isinstance(text := event.get("delta"), str):
            self.single = text, streams.pass_by
        return None

    def missed(self, tokens: Mapping[str, bytes]) -> None:
        number = tokens.get("sequence_number", b"")
        self._sequence = int(number) if number.isdigit() else self._sequence

    def _look_at_response(self, event: Event, response: Event, payload: bytes) -> bytes | None:
        self._response = response
        self.usage = read_usage(response.get("usage")) or self.usage
        kind = event["type"]
        if kind in TERMINAL:
            failed = kind == "response.failed" or response.get("status") == "failed"
            self.said = length_of(response.get("output"))
            self._ended(read_error(response.get("error")) if failed else None)
        name = self.context.model
        if not name or kind not in _LIFECYCLE or response.get("model") in (name, None):
            return None
        exact: Event = jsontext.loads_exact(payload)
        exact["response"]["model"] = name
        return jsontext.dumps(exact)

    def _ended(self, failure: UpstreamError | None) -> None:
        self.done = True
        self.failure = self.failure or failure

    def eof(self) -> bytes:
        if not (self.done or self.failure):
            raise Broken("the upstream's stream stopped before its end")
        return b""

    def fail(self, error: CcproxyError) -> bytes:
        if self.done or self.failure:
            return b""
        self.done = True
        if self._response is None:
            encoder = Encoder(self.context)
            encoder.error(error)
            return encoder.take()
        failed = {**self._response, "status": "failed", "error": response_error(error)}
        failed["model"] = self.context.model or failed.get("model")
        event = {"type": "response.failed", "response": failed, "sequence_number": self._sequence + 1}
        return sse.named_event(b"response.failed", jsontext.dumps(event))
