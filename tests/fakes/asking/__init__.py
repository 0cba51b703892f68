"""What a chat request asks, read without ccproxy's code: the request judge's own, plain reading of each protocol."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.asking.claude import claude
from tests.fakes.asking.gemini import gemini
from tests.fakes.asking.ollama import ollama
from tests.fakes.asking.openai import openai
from tests.fakes.asking.responses import responses
from tests.fakes.asking.wishes import JSONObject, Wish

READERS: dict[str, Callable[[JSONObject, bool | None], Wish]] = {
    "openai": openai,
    "responses": responses,
    "claude": claude,
    "gemini": gemini,
    "ollama": ollama,
}


def wish_of(protocol: str, document: JSONObject, stream: bool | None = None) -> Wish:
    """What the document asks. stream: what the path says about it, where the protocol says it there."""
    return READERS[protocol](document, stream)
