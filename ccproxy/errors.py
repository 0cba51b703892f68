"""Every error that ccproxy raises or sends, in one tree.

    CcproxyError                    status  who is at fault
    ├── ConfigError                   -     the config file; carries every problem found
    ├── RequestError                 400    the client's request
    │   ├── Unsupported              400    a meaning the target protocol has no place for
    │   ├── Unauthorized             401    no proxy key, or an unknown one
    │   ├── Forbidden                403    foreign origin or host, or a key without access
    │   ├── NotFound                 404    no such route, group, model or stored object
    │   ├── MethodNotAllowed         405    the route exists, the method does not
    │   ├── TooLarge                 413    a body over the limit
    │   ├── UnsupportedMedia         415    a content-encoding that we cannot decode
    │   └── UpgradeRequired          426    a WebSocket upgrade, which we do not speak
    └── UpstreamError                502    the upstream; with the status that it answered, when it did
        ├── Unreachable              502    no connection: refused, DNS, TLS, proxy
        ├── TimedOut                 504    connected, but silent for too long
        ├── Malformed                502    an answer that breaks its own protocol; the only error a Decoder raises
        └── Broken                   502    a stream that stopped before its end

An error carries data, never text for one protocol: each protocol's `documents.write_error` has the table from status to
its own error type. Messages reach clients, so they hold no key, no URL with a key and no local path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class CcproxyError(Exception):
    """Base of all. `status` is the HTTP status that a client is answered with."""

    default_status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
        origin: str = "",
        raw: Any = None,
    ) -> None:
        """
        message: what went wrong and what to do next, for a person.
        status: overrides the class's HTTP status.
        code: a machine-readable word, such as `model_not_found` or a provider's own error code.
        param: the field of the request that is at fault, as a path (`messages[2].content`).
        retry_after: seconds to wait before asking again.
        headers: answer headers worth passing on (request ids, rate limits), lower-case names.
        origin: the protocol that `raw` is written in, where an upstream said it.
        raw: the upstream's own error document, decoded; replayed to clients of the same protocol.
        """
        super().__init__(message)
        self.message = message
        self.status = self.default_status if status is None else status
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.headers = tuple(headers)
        self.origin = origin
        self.raw = raw

    def __repr__(self) -> str:
        code = f", code={self.code!r}" if self.code else ""
        return f"{type(self).__name__}({self.message!r}, status={self.status}{code})"


class ConfigError(CcproxyError):
    """The configuration cannot be used. `problems` has one line each, beginning with the key path."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class RequestError(CcproxyError):
    default_status = 400


class Unsupported(RequestError):
    """`field` of the request has no place in the protocol `target`."""

    def __init__(self, field: str, target: str, detail: str = "") -> None:
        tail = f": {detail}" if detail else ""
        super().__init__(f"{field} cannot be expressed in the {target} protocol{tail}", code="unsupported", param=field)
        self.field = field
        self.target = target


class Unauthorized(RequestError):
    default_status = 401


class Forbidden(RequestError):
    default_status = 403


class NotFound(RequestError):
    default_status = 404


class MethodNotAllowed(RequestError):
    default_status = 405


class TooLarge(RequestError):
    default_status = 413


class UnsupportedMedia(RequestError):
    default_status = 415


class UpgradeRequired(RequestError):
    default_status = 426


class UpstreamError(CcproxyError):
    default_status = 502


class Unreachable(UpstreamError):
    pass


class TimedOut(UpstreamError):
    default_status = 504


class Malformed(UpstreamError):
    pass


class Broken(UpstreamError):
    pass
