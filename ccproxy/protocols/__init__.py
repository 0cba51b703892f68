"""The registry: one line per protocol. Where nothing else tells, the first one's shape is used."""

from __future__ import annotations

from ccproxy.protocols import claude, gemini, ollama, openai, responses
from ccproxy.protocols.base import Protocol

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        openai.PROTOCOL,
        responses.PROTOCOL,
        claude.PROTOCOL,
        gemini.PROTOCOL,
        ollama.PROTOCOL,
    )
}
