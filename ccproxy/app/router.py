"""Method and path to protocol and operation. The table comes from the protocols' records; the group is a path prefix.

    path     = [ "/" group | "/switch" ] [ "/" mode ] route
    mode     = a word of MODES
    route    = a literal, or a prefix and a suffix around {model} or around {id}, which is one segment

Several protocols may share a path (`/v1/models`); then the marks of the request tell whose client asks, and the first
registered protocol serves those that no mark names. An error is raised together with the protocol whose
shape it takes: that of the routes that share the most leading segments with the path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from urllib.parse import unquote

from attrs import define, frozen

from ccproxy.config import RESERVED
from ccproxy.errors import MethodNotAllowed, NotFound, RequestError
from ccproxy.protocols.base import Call, Protocol, Route

_MODEL, _ID = "{model}", "{id}"


@frozen(kw_only=True)
class Match:
    """Where a request goes."""

    protocol: Protocol
    route: Route
    group: str
    call: Call
    compat: bool = False


@define
class Misrouted(Exception):
    """No route: `error` is to be answered in the shape of `protocol`."""

    protocol: Protocol
    error: RequestError


@frozen
class _Served:
    protocol: Protocol
    route: Route


@frozen
class _Pattern:
    prefix: str
    placeholder: str
    suffix: str
    served: _Served

    def value(self, path: str) -> str | None:
        """The model's name or the id in the path, None when the path is not of this pattern."""
        end = len(path) - len(self.suffix)
        if end <= len(self.prefix) or not path.startswith(self.prefix) or not path.endswith(self.suffix):
            return None
        value = path[len(self.prefix) : end]
        return None if self.placeholder == _ID and "/" in value else value

    def acts(self, path: str) -> bool:
        """Whether the path is of this pattern but for its action, which stands behind the model's last colon."""
        return self.suffix.startswith(":") and path.startswith(self.prefix) and ":" in path


MODES = frozenset({"compat", "compat_mode"})
"""Segments that may stand before a route and say how it is served: with tools as text."""

SWITCH = "switch"
"""The segment that stands for the active group, whichever that is at the time of the request."""

MCP_PATH = "/mcp/http"
"""The endpoint of all MCP servers, which is no protocol's route."""

MCP_SERVERS = "/mcp/servers"
"""Their state, for `ccproxy mcp list`."""

_KNOWN = 64
"""Paths that are remembered with where they lead. A person has a few groups; a path may have 64 KiB of slashes."""


class PathTable:
    """All routes of all protocols. active: the group that `/switch` leads to, "" for none."""

    def __init__(self, protocols: Iterable[Protocol], groups: Iterable[str], active: str = "") -> None:
        self._protocols = tuple(protocols)
        self._groups = frozenset(groups) - RESERVED
        self._active = active
        self._first = self._groups | {SWITCH}
        self._literal: dict[str, list[_Served]] = {}
        self._patterns: list[_Pattern] = []
        for protocol in self._protocols:
            for route in protocol.routes:
                self._add(_Served(protocol, route))
        # A longer suffix says more: `{model}:generateContent` is tried before `{model}`.
        self._patterns.sort(key=lambda pattern: -len(pattern.suffix))
        # The paths of chats: no pattern, and nobody to choose from.
        self._alone = {(one[0].route.method, path): one[0] for path, one in self._literal.items() if len(one) == 1}
        self._known: dict[tuple[str, str], Match] = {}  # theirs without a query, which are the same each time

    def match(self, method: str, path: str, marks: Set[str], query: Mapping[str, str]) -> Match:
        """The route of a request. `path` is decoded; `marks` are the request's header names and `?`-led query keys. HEAD is
        served as GET. Raises Misrouted."""
        asked = (method, path)
        if not query and asked in self._known:
            return self._known[asked]
        method = "GET" if method == "HEAD" else method
        path = "/" + path.strip("/")
        group, inside = _taken(path, self._first)
        mode, inner = _taken(inside, MODES)
        one = self._alone.get((method, inner))
        named = {}
        if one is None:
            found = self._find(inner)
            if not found:
                raise self._lost(path, marks)
            served = [(one, value) for one, value in found if one.route.method == method]
            if not served:
                raise self._not_taken(method, inner, [one for one, _ in found], marks)
            one = _chosen([one for one, _ in served], marks)
            value = unquote(next(value for other, value in served if other is one))
            named = {"id": value} if _ID in one.route.path else {"model": value}
        if group == SWITCH:
            group = self._active
            if not group:
                raise Misrouted(one.protocol, self._inactive())
        call = Call(**named, stream=one.route.stream, query=query, path=inner, shape=one.route.shape)
        match = Match(protocol=one.protocol, route=one.route, group=group, call=call, compat=bool(mode))
        if not query and not named and len(self._known) < _KNOWN:
            self._known[asked] = match
        return match

    def mcp_group(self, path: str) -> str | None:
        """The group of an MCP path (`/mcp/http`, alone or behind a group); None for any other path. Raises NotFound where
        it stands behind `/switch` and no group is active."""
        if not path.endswith(MCP_PATH):
            return None
        group, inner = _taken(path, self._first)
        if inner != MCP_PATH:
            return None
        if group == SWITCH and not self._active:
            raise self._inactive()
        return self._active if group == SWITCH else group

    def nearest(self, path: str, marks: Set[str]) -> Protocol:
        """The protocol whose routes share the most segments with the path, wherever in it they begin (behind a group, say);
        where several share as many, the request's marks tell."""
        segments = path.strip("/").split("/")

        def shared(protocol: Protocol) -> int:
            routes = [route.path.strip("/").split("/") for route in protocol.routes]
            return max((_shared(segments[n:], route) for n in range(_PREFIXES + 1) for route in routes), default=0)

        most = max(map(shared, self._protocols))
        return _marked([protocol for protocol in self._protocols if shared(protocol) == most], marks)

    def _add(self, served: _Served) -> None:
        prefix, placeholder, suffix = served.route.path.partition(_ID if _ID in served.route.path else _MODEL)
        if placeholder:
            self._patterns.append(_Pattern(prefix, placeholder, suffix, served))
        else:
            self._literal.setdefault(served.route.path, []).append(served)

    def _find(self, path: str) -> list[tuple[_Served, str]]:
        """Every route of the path, whatever its method, with the model or id that stands in the path."""
        literal = self._literal.get(path)
        if literal is not None:
            return [(served, "") for served in literal]
        matches = [(pattern, value) for pattern in self._patterns if (value := pattern.value(path)) is not None]
        longest = max((len(pattern.suffix) for pattern, _ in matches), default=0)
        return [(pattern.served, value) for pattern, value in matches if len(pattern.suffix) == longest]

    def _lost(self, path: str, marks: Set[str]) -> Misrouted:
        protocol = self.nearest(path, marks)
        first, _, rest = path[1:].partition("/")
        if first not in RESERVED and first not in self._groups and self._find(_taken("/" + rest, MODES)[1]):
            known = ", ".join(sorted(self._groups)) or "none"
            message = f'there is no group "{first[:100]}"; groups: {known}'
            return Misrouted(protocol, NotFound(message, code="group_not_found"))
        return Misrouted(protocol, NotFound(f"there is no route {path[:200]}", code="route_not_found"))

    def _inactive(self) -> NotFound:
        known = ", ".join(sorted(self._groups)) or "none"
        what = "no group is active; choose one with `ccproxy switch NAME` (active_group in [server])"
        return NotFound(f"{what}; groups: {known}", code="no_active_group")

    def _not_taken(self, method: str, path: str, found: list[_Served], marks: Set[str]) -> Misrouted:
        """The path is served, but not by this method; or what looks like a model is a model and an unknown action."""
        acting = next((p.served for p in self._patterns if p.acts(path) and p.served.route.method == method), None)
        if acting is not None:
            action = path.rpartition(":")[2]
            return Misrouted(acting.protocol, NotFound(f"there is no action {action[:100]}", code="route_not_found"))
        allowed = ", ".join(sorted({one.route.method for one in found}))
        message = f"{path[:200]} does not take {method}; it takes {allowed}"
        error = MethodNotAllowed(message, headers=[("allow", allowed)])  # RFC 9110, section 15.5.6
        return Misrouted(_chosen(found, marks).protocol, error)


def _taken(path: str, words: frozenset[str]) -> tuple[str, str]:
    """The path's first segment, where it is one of the words, and the path behind it."""
    first, _, rest = path[1:].partition("/")
    return (first, "/" + rest) if first in words else ("", path)


_PREFIXES = 2
"""Segments that may stand before a route: a group (or `switch`) and a mode."""


def _chosen(served: list[_Served], marks: Set[str]) -> _Served:
    """The one whose protocol's marks the request bears, else the first."""
    return next((one for one in served if one.protocol.marks & marks), served[0])


def _marked(protocols: list[Protocol], marks: Set[str]) -> Protocol:
    return next((protocol for protocol in protocols if protocol.marks & marks), protocols[0])


def _shared(left: list[str], right: list[str]) -> int:
    """How many leading segments are the same."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
