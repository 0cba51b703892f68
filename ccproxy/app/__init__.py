"""The App: a configuration turned into what a runtime serves.

    head ──> probes and index | path table ──> key ──> size ──> lists and what never changes (a Reply)
                                                            ├──> chat, embeddings, counts, show (an Exchange)
                                                            └──> MCP (a Handoff: the endpoint of `ccproxy.mcp` has it)

Everything here is decided on the request's head, and for heads that are alike once (`entrance`); an Exchange gets the body.
Nothing waits: what has to be asked for (the providers' model lists) is asked by `jobs` in the background.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ccproxy.actions import Accept, Endpoint, Handoff, Reply
from ccproxy.app import access
from ccproxy.app.entrance import Entrance, Entrances, Lead
from ccproxy.app.index import ccproxy_version, index, json_reply, probe
from ccproxy.app.models import ModelLists, base_of
from ccproxy.app.router import MCP_PATH, MCP_SERVERS, Match, Misrouted, PathTable
from ccproxy.app.store import Owner, Shelf, Store, opened, view
from ccproxy.codec import jsontext
from ccproxy.config import Config, Provider
from ccproxy.conversion import Answered
from ccproxy.errors import CcproxyError, Forbidden, MethodNotAllowed, RequestError, TooLarge, UpgradeRequired
from ccproxy.exchange import Exchange, error_reply
from ccproxy.model import Context, Target
from ccproxy.plans import Attempt, Patience, Plan, Record
from ccproxy.policy.keys import Pair, Pools
from ccproxy.policy.rewrite import Rules, is_makers
from ccproxy.policy.routing import DEFAULT, Route
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Protocol
from ccproxy.transport.http1 import RequestHead
from ccproxy.transport.seam import Limits
from ccproxy.turnwise import Conversations

if TYPE_CHECKING:
    from ccproxy.app.traffic import Traffic
    from ccproxy.mcp import Endpoint as McpEndpoint

log = logging.getLogger("ccproxy")

HOP = "x-ccproxy-hop"
"""The loop marker: the instances that a request has passed, so that one that points at itself is found out."""

_SHORT_BODY = 64 * 1024
"""Bytes of a body that only names a model."""

_PROBES = {("GET", "/healthz"), ("GET", "/readyz"), ("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/api/hello")}


class App:
    """One configuration being served. Made anew when the configuration changes."""

    def __init__(self, config: Config, store: Store | None = None, *, before: App | None = None) -> None:
        """store: where earlier answers are, else the configured one. before: the App that this one follows; what the
        configuration says the same of goes on. Raises ConfigError when the store cannot be opened."""
        self.config = config
        if store is None and before is not None and before.config.store == config.store:
            store = before.store
        self.store: Store = opened(config.store) if store is None else store
        self.limits = Limits(
            max_head=config.limits.max_head,
            max_connections=config.limits.max_connections,
            connect_seconds=config.timeouts.connect,
        )
        self._id: str = secrets.token_hex(8) if before is None else before._id
        self._router = config.router()
        self._paths = PathTable(PROTOCOLS.values(), self._router.groups, config.server.active_group)
        unchanged = before is not None and _offers(before.config) == _offers(config)
        self._jobs: list[Callable[[], Awaitable[None]]] = []
        if before is not None and unchanged:
            self._models: ModelLists = before._models
        else:
            self._models = ModelLists(self._router, config.providers)
            self._jobs.append(self._models.refresh_forever)
        if before is not None and not unchanged:
            before._models.retire()
        most = config.limits.remembered
        same = before is not None and before.config.limits.remembered == most
        self.known: Conversations | None = before.known if before and same else Conversations(most) if most else None
        self._upstreams = {
            name: _Upstream(name, provider, config, self.known) for name, provider in config.providers.items()
        }
        self.warm = [
            (self._upstreams[name].endpoint, provider.warm) for name, provider in config.providers.items() if provider.warm
        ]
        self._rules = {
            (group, provider): its.rules(strip_billing_line=self._upstreams[provider].strips_billing_line)
            for group, its in config.groups.items()
            for provider in config.providers
        }
        self._pools = Pools({name: len(provider.api_keys) for name, provider in config.providers.items()})
        if before is not None:
            was = before.config.providers
            self._pools.inherit(before._pools, {n for n, provider in config.providers.items() if was.get(n) == provider})
        self._operations: Mapping[str, Callable[[RequestHead, Match, str, float], Accept | Reply]] = {
            "chat": self._exchange,
            "embeddings": self._exchange,
            "count": self._exchange,
            "models": self._list,
            "model": self._model,
            "show": self._show,
            "kept": self._kept,
            "fixed": self._fixed,
        }
        self._entrances = Entrances()
        self._mcp = self._mcp_endpoint(before)
        self._traffic = self._traffic_log(before)
        if self._traffic is not None:
            self._operations = {name: self._traffic.watching(each) for name, each in self._operations.items()}

    def __repr__(self) -> str:
        return f"App({len(self._upstreams)} providers, {len(self._router.groups)} groups)"

    # What a runtime calls

    def head(self, head: RequestHead, now: float) -> Accept | Handoff | Reply:
        """Judges route, key and size, before a body is read or `100 Continue` is sent."""
        try:
            entrance = self._entrances.known(head)
            if entrance is not None:
                self._check_size(head)
                return entrance.accept()
            return self._judged(head, now)
        except Misrouted as lost:
            reply = error_reply(lost.protocol, _upgrade(head) or lost.error)
        except CcproxyError as error:
            reply = self.refuse(error, head)
        if self._traffic is not None:
            self._traffic.refused(head, reply)
        return reply

    def refuse(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        """The error in the shape of the route's protocol."""
        if head is not None and head.path.endswith(MCP_PATH):
            return _json_rpc(error)
        path, marks = (head.path, _marks(head)) if head else ("/", _NO_MARKS)
        return error_reply(self._paths.nearest(path, marks), error)

    def finished(self, record: object) -> None:
        """Logs an exchange."""
        if isinstance(record, Record):
            log_record(record)

    def jobs(self) -> Sequence[Callable[[], Awaitable[None]]]:
        jobs, self._jobs = self._jobs, []
        return jobs

    def _judged(self, head: RequestHead, now: float) -> Accept | Handoff | Reply:
        """Raises Misrouted and RequestError."""
        if (head.method, head.path) in _PROBES:
            return probe()
        if not self.config.keys:
            access.check_local(head)
        key = access.key_of(head, self.config.keys)
        if head.path == "/":
            return self._index(head)
        if (head.method, head.path) == ("GET", MCP_SERVERS) and self._mcp is not None and self.config.mcp is not None:
            self._check_mcp(key)
            return json_reply(200, {"servers": self._mcp.servers()})
        group = self._paths.mcp_group(head.path) if self.config.mcp is not None else None
        if group is not None:
            return self._handed_to_mcp(head, group, key)
        match = self._paths.match(head.method, head.path, _marks(head), head.query)
        self._check_group(match.group, key)
        self._check_size(head)
        return self._operations[match.route.operation](head, match, key, now)

    # Operations

    def _index(self, head: RequestHead) -> Reply:
        if head.method != "GET":
            raise MethodNotAllowed(f"/ does not take {head.method}; it takes GET")
        return index(self.config)

    def _exchange(self, head: RequestHead, match: Match, key: str, now: float) -> Accept:
        """Any operation that may go to an upstream. Raises RequestError (501) for one that the client's protocol lacks."""
        operation = match.route.operation
        if operation not in match.protocol.operations:
            raise RequestError(f"{match.protocol.title} has no {operation}", status=501, code="not_implemented")
        hops = head.header(HOP) or ""
        if self._id in hops:
            raise RequestError(
                "this request has been here before: a provider's base_url points at ccproxy itself", status=508, code="loop"
            )
        lead = partial(self._lead, match, key, f"{hops} {self._id}".strip())
        memory = self._shelf(match, key) if self.config.store.max_count else None
        entrance = Entrance(head, match, memory, self.config.limits.max_body, self._pools, lead)
        if self._traffic is None:  # which looks at each head
            self._entrances.keep(head, entrance)
        return entrance.accept()

    def _show(self, head: RequestHead, match: Match, key: str, now: float) -> Accept:
        """One model at length; its name stands in the body, so that this is an exchange that asks nobody."""
        context = Context(client=match.protocol.name, upstream="")
        route = partial(self._shown, match.protocol, match.group, key)
        return Accept(Exchange(match.protocol, context, match.call, route, head.headers, match.group), _SHORT_BODY)

    def _shown(self, protocol: Protocol, group: str, key: str, model: str) -> Answered:
        """Raises NotFound and Forbidden."""
        self._check_group(self._router.resolve(group, model).group, key)
        assert protocol.models.show is not None
        return Answered(jsontext.dumps(protocol.models.show(self._models.one(group, model))))

    def _kept(self, head: RequestHead, match: Match, key: str, now: float) -> Reply:
        """An earlier answer."""
        self._check_group(match.group or DEFAULT, key)
        assert match.protocol.history is not None
        return view(match.protocol.history, self._shelf(match, key), match.call)

    def _shelf(self, match: Match, key: str) -> Shelf:
        return Shelf(self.store, Owner(key, match.group or DEFAULT))

    def _fixed(self, head: RequestHead, match: Match, key: str, now: float) -> Reply:
        self._check_group(match.group or DEFAULT, key)
        return json_reply(200, dict(match.route.document))

    def _list(self, head: RequestHead, match: Match, key: str, now: float) -> Reply:
        self._check_group(match.group or DEFAULT, key)
        return json_reply(200, match.protocol.models.write(self._models.list(match.group)))

    def _model(self, head: RequestHead, match: Match, key: str, now: float) -> Reply:
        self._check_group(self._router.resolve(match.group, match.call.model).group, key)
        return json_reply(200, match.protocol.models.write_one(self._models.one(match.group, match.call.model)))

    def _lead(self, match: Match, key: str, hops: str, model: str) -> Lead:
        """Which upstreams may serve `model`. Raises NotFound and Forbidden."""
        route = self._router.resolve(match.group, model)
        self._check_group(route.group, key)
        group = self.config.groups[route.group]
        compat = {"auto": match.compat, "compat": True, "native": False}[group.compat]
        return Lead(route.destinations, group.balance, partial(self._plan_for, route, hops, compat))

    def _plan_for(self, route: Route, hops: str, compat: bool, pair: Pair) -> Plan:
        provider = pair.destination.provider
        rules = self._rules[route.group, provider].for_model(route.name)
        return self._upstreams[provider].plan(pair.destination.model, pair.key, hops, compat, rules)

    def _handed_to_mcp(self, head: RequestHead, group: str, key: str) -> Handoff:
        """Raises Forbidden and TooLarge."""
        assert self._mcp is not None
        assert self.config.mcp is not None
        if group:
            self._check_group(group, key)
        else:
            self._check_mcp(key)
        self._check_size(head)
        return Handoff(self._mcp.handler(group, key), self.config.limits.max_body, standing=head.method == "GET")

    def _mcp_endpoint(self, before: App | None) -> McpEndpoint | None:
        """The endpoint goes on as long as the process, whatever becomes of its configuration. The SDK behind it is imported
        for the first one."""
        endpoint = before._mcp if before is not None else None
        if endpoint is not None:
            endpoint.apply(self.config)
        elif self.config.mcp is not None:
            from ccproxy.mcp import endpoint_for

            endpoint = endpoint_for(self.config, ccproxy_version())
            self._jobs.append(endpoint.run)
        return endpoint

    def _traffic_log(self, before: App | None) -> Traffic | None:
        """The traffic log, where it is on. Nothing of it is imported while it is off."""
        was = before._traffic if before is not None else None
        if not self.config.server.log_bodies:
            if was is not None:
                log.info("the traffic log is off")
            return None
        from ccproxy.app.traffic import Traffic

        return Traffic(self.config, lambda group, model: self._router.resolve(group, model).group, was)

    # Judgements

    def _check_group(self, group: str, key: str) -> None:
        """Raises Forbidden. A path without a group ("") is judged once the model's name has told the group."""
        allowed = self.config.groups[group].keys if group in self.config.groups else None
        if allowed is not None and key not in allowed:
            raise Forbidden(f'the proxy key "{key}" may not use the group "{group}"', code="group_forbidden")

    def _check_mcp(self, key: str) -> None:
        if self.config.mcp is not None and self.config.mcp.keys is not None and key not in self.config.mcp.keys:
            raise Forbidden(f'the proxy key "{key}" may not use {MCP_PATH}', code="mcp_forbidden")

    def _check_size(self, head: RequestHead) -> None:
        length, most = head.framing.length, self.config.limits.max_body
        if length > most:
            raise TooLarge(f"the request's body has {length} bytes; at most {most} are taken ([limits] max_body)")


def _json_rpc(error: CcproxyError) -> Reply:
    """An error before a message was read."""
    said = {"code": -32600 if error.status < 500 else -32603, "message": error.message}
    reply = json_reply(error.status, {"jsonrpc": "2.0", "id": None, "error": said})
    reply.headers.extend(error.headers)
    return reply


def _offers(config: Config) -> object:
    """What lists of models depend on."""
    return {name: group.models for name, group in config.groups.items()}, config.providers


class _Upstream:
    """A provider as the exchange needs it: everything that is the same for each request is worked out once."""

    def __init__(self, name: str, provider: Provider, config: Config, known: Conversations | None) -> None:
        self._name = name
        self._known = known
        self._provider = provider
        self._secrets = provider.secrets
        self._protocol = PROTOCOLS[provider.protocol]
        self._table = config.table
        parts = urlsplit(base_of(provider))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._host = (parts.hostname or "").lower()
        self.endpoint = Endpoint(scheme=parts.scheme, host=self._host, port=port, proxy=provider.proxy)
        self._prefix = parts.path.rstrip("/")
        times = config.timeouts
        self._patience = Patience(
            connect=times.connect,
            first_byte=times.first_byte,
            idle=times.idle,
            keepalive=times.keepalive,
            hold=times.hold,
        )

        said = provider.strip_billing_line
        self.strips_billing_line = not is_makers(self._host) if said is None else said
        self._target = lru_cache(_TARGETS)(self._described)

    def plan(self, model: str, number: int, hops: str, compat: bool, rules: Rules | None) -> Plan:
        """number: of the key, from 0. hops: what the loop marker says."""
        keys = self._provider.api_keys
        credentials = self._protocol.key_headers(keys[number]) if keys else []
        return Plan(
            protocol=self._protocol,
            target=(self._target if len(model) <= _LONGEST_NAME else self._described)(model),
            endpoint=self.endpoint,
            prefix=self._prefix,
            headers=[*credentials, *self._provider.headers.items(), (HOP, hops)],
            secrets=self._secrets,
            key=number + 1 if len(keys) > 1 else 0,
            patience=self._patience,
            compat=compat,
            rules=rules,
            known=self._known,
        )

    def _described(self, model: str) -> Target:
        known = self._provider.models.get(model)
        target = Target(
            protocol=self._protocol.name,
            model=model,
            host=self._host,
            provider=self._name,
            defaults=self._provider.defaults,
            abilities=known.abilities if known else frozenset(),
            stream=self._provider.stream,
        )
        target.traits = self._table.traits(self._name, self._host, model, self._protocol.chat.path(target, True, ""))
        return target


_TARGETS = 256
"""Models of one provider that are remembered. A pattern may pass any name through; a person uses a dozen."""

_LONGEST_NAME = 200
"""Characters of such a model's name: a client may send megabytes for one."""


def log_record(record: Record) -> None:
    """One line for each exchange, one for each pair that failed before another was asked, and one for each thing that was
    dropped or adapted."""
    usage = record.usage
    about = " (estimated)" if usage and usage.estimated else ""
    used = f" {usage.input}+{usage.output} tokens{about}" if usage else ""
    first = f" first byte {1000 * (record.answered - record.began):.0f} ms," if record.answered is not None else ""
    outcome = "cancelled" if record.cancelled else str(record.status)
    pair = _pair(record.provider or "-", record.upstream_model or "-", record.key)
    tried = ", ".join(f"{_of(attempt)}: {attempt.status}" for attempt in record.attempts)
    line = f"{record.client} {record.model or '-'} -> {pair}: {outcome},{first} {record.ended - record.began:.2f} s{used}"
    line += f" (after {tried})" if tried else ""
    if record.error is not None:
        log.warning("%s", _one_line(f"{line}: {record.error.message}"))
    else:
        log.info("%s", _one_line(line))
    for attempt in record.attempts:
        log.warning("  %s", _one_line(f"{_of(attempt)} failed: {attempt.message}"))
    for note in record.notes:
        log.info("  %s", _one_line(note))


def _pair(provider: str, model: str, key: int) -> str:
    """`provider/model#2`: with its second key. The key itself is nobody's business."""
    return f"{provider}/{model}#{key}" if key else f"{provider}/{model}"


def _of(attempt: Attempt) -> str:
    return _pair(attempt.provider, attempt.model, attempt.key)


def _one_line(text: str) -> str:
    """Names and messages come from clients and upstreams; none of them may write a line of its own or steer a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


_NO_MARKS: Set[str] = frozenset()


def _marks(head: RequestHead) -> Set[str]:
    return {*head.names, *(f"?{name}" for name in head.query)} if head.query else head.names


def _upgrade(head: RequestHead) -> RequestError | None:
    """A WebSocket upgrade is answered at once, so that clients which prefer one fall back to POST without waiting."""
    if head.method == "GET" and (head.header("upgrade") or "").lower() == "websocket":
        return UpgradeRequired("ccproxy speaks no WebSocket here; send the request by POST", code="websocket_unsupported")
    return None
