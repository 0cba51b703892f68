"""The registry: one name per protocol. Where nothing else tells, the first one's shape is used.

A protocol's folder is imported when it is first asked for: a conversion needs two of the five, and loading all of them is
most of what importing the library used to cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from ccproxy.protocols.base import Protocol

_NAMES = ("openai", "responses", "claude", "gemini", "ollama")
"""Each is the folder of this name, whose record is its PROTOCOL."""


class _Registry(Mapping[str, Protocol]):
    def __init__(self) -> None:
        self._loaded: dict[str, Protocol] = {}

    def __getitem__(self, name: str) -> Protocol:
        protocol = self._loaded.get(name)
        if protocol is None:
            if name not in _NAMES:
                raise KeyError(name)
            protocol = self._loaded[name] = import_module(f"{__name__}.{name}").PROTOCOL
        return protocol

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)

    def __contains__(self, name: object) -> bool:
        return name in _NAMES

    def __repr__(self) -> str:
        return f"<protocols {', '.join(_NAMES)}>"


PROTOCOLS: Mapping[str, Protocol] = _Registry()
