"""Model lists: the names that a client of a group can ask for, known without asking anybody at that moment.

Exact aliases come from the configuration. Where a pattern passes names through, the provider's own list tells what can be
asked for: it is asked in the background, and served as last known.

httpx and anyio are imported when somebody is asked for the first time: they take as long as all the rest of a start.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from urllib.parse import urlsplit

from attrs import evolve

from ccproxy.codec import jsontext
from ccproxy.config import Model, Provider
from ccproxy.errors import CcproxyError, Unreachable, UpstreamError
from ccproxy.policy.routing import Router
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.failures import read_error

log = logging.getLogger("ccproxy.models")

REFRESH = 600.0
"""Seconds between two questions to a provider. Providers add models a few times a week; ten minutes is soon enough."""

TIMEOUT = 20.0
"""Seconds for one list. OpenRouter's has a megabyte."""


def base_of(provider: Provider) -> str:
    """The provider's base URL without a path ending that the protocol's own paths begin with."""
    address = provider.base_url.rstrip("/")
    suffixes = PROTOCOLS[provider.protocol].sdk_suffix
    return next((address.removesuffix(suffix) for suffix in suffixes if address.endswith(suffix)), address)


async def ask(provider: Provider, key: str) -> list[ModelInfo]:
    """The provider's own model list. Raises UpstreamError."""
    import anyio
    import httpx

    protocol = PROTOCOLS[provider.protocol]
    headers = [*protocol.headers, *(protocol.key_headers(key) if key else []), *provider.headers.items()]
    try:
        proxy = provider.proxy or None
        async with httpx.AsyncClient(timeout=TIMEOUT, proxy=proxy, trust_env=False, verify=_trust()) as client:
            with anyio.fail_after(TIMEOUT):  # httpx's time-outs are between two reads
                answer = await client.get(base_of(provider) + protocol.models.path, headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        raise Unreachable(f"{_trouble(error)} {urlsplit(base_of(provider)).netloc}") from None
    if not answer.is_success:
        body = _without(provider.secrets, answer.content)
        raise read_error(protocol.name, answer.status_code, list(answer.headers.items()), body)
    try:
        document = jsontext.loads(answer.content)
    except jsontext.JSONError:
        raise UpstreamError("the model list is not JSON") from None
    return protocol.models.read(document)


def _trouble(error: Exception) -> str:
    """In words of our own: httpx's may hold the URL of a proxy with its password."""
    import httpx

    late = (httpx.TimeoutException, TimeoutError)
    kinds = ((late, "no answer in time from"), (httpx.ProxyError, "the proxy does not lead to"))
    return next((words for kind, words in kinds if isinstance(error, kind)), "no connection to")


@cache
def _trust() -> ssl.SSLContext:
    """The system's, as for the requests themselves. Made once: it takes tens of milliseconds, in which no stream moves."""
    return ssl.create_default_context()


def _without(secrets: Iterable[str], body: bytes) -> bytes:
    """An error's text; some providers repeat the key that they refuse."""
    for secret in secrets:
        body = body.replace(secret.encode(), b"***")
    return body


class ModelLists:
    """What every group offers."""

    def __init__(self, router: Router, providers: Mapping[str, Provider]) -> None:
        self._router = router
        self._providers = providers
        self._known: dict[str, dict[str, ModelInfo]] = {}  # provider -> its own list, by the model's name
        self._retired = False

    def list(self, group: str) -> list[ModelInfo]:
        """The group's models: aliases, then what the providers list, in the file's order. Raises NotFound for an unknown
        group."""
        found = {name: self._described(group, name) for name in self._router.names(group)}
        for provider in self._providers:
            for name in self._router.listed(group, provider, self._known.get(provider, ())):
                found.setdefault(name, self._described(group, name))
        return [*found.values()]

    def one(self, group: str, name: str) -> ModelInfo:
        """The model of that name, whether it is listed or only routable. Raises NotFound."""
        self._router.resolve(group, name)
        return self._described(group, name)

    def retire(self) -> None:
        """Nobody asks for these lists any more."""
        self._retired = True

    async def refresh_forever(self) -> None:
        """Refreshes the lists now and then, until they retire."""
        if not self._passed_through():
            return
        import anyio

        await anyio.to_thread.run_sync(import_module, "httpx")  # in a thread, so that streams move meanwhile
        while self._passed_through() and not self._retired:
            await self.refresh()
            await anyio.sleep(REFRESH)

    async def refresh(self) -> None:
        """Asks every provider whose names are passed through, all at once: a slow one holds up no other."""
        import anyio

        async with anyio.create_task_group() as group:
            for name in self._passed_through():
                group.start_soon(self._refresh, name)

    async def _refresh(self, name: str) -> None:
        provider = self._providers[name]
        try:
            models = await ask(provider, next(iter(provider.api_keys), ""))
        except CcproxyError as error:
            log.warning("provider %s: %s; its model list stays as last known", name, error.message)
        else:
            self._known[name] = {model.id: model for model in models}

    def _passed_through(self) -> Sequence[str]:
        patterns = [p for group in self._router.groups for p in self._router.passthrough(group)]
        return list(dict.fromkeys(d.provider for p in patterns for d in p.destinations if "*" in d.model))

    def _described(self, group: str, name: str) -> ModelInfo:
        """What is known of the alias' first target, under the alias' name."""
        destination = self._router.resolve(group, name).destinations[0]
        listed = self._known.get(destination.provider, {}).get(destination.model)
        info = evolve(listed, id=name) if listed else ModelInfo(id=name, owner=destination.provider)
        said: Model | None = self._providers[destination.provider].models.get(destination.model)
        if said is None:
            return info
        return evolve(info, context=said.context or info.context, abilities=said.abilities or info.abilities)
