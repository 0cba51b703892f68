"""What Ollama's clients ask of a server before they talk to a model (docs.ollama.com, "Show model details", "List running
models", "Get version").

Editors read three things: `capabilities` (a model without `tools` gets no agent), the context's length under
`<architecture>.context_length`, and the version, below which they refuse to work.
"""

from __future__ import annotations

import re

from ccproxy.model import JSON
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.ollama.answers import write_model

VERSION: dict[str, JSON] = {"version": "0.12.11"}
"""The Ollama whose API this is: thinking with levels, tools while streaming, dimensions of embeddings, logprobs."""

RUNNING: dict[str, JSON] = {"models": []}
"""Nothing is loaded here; models run at the upstreams."""

_UNKNOWN = frozenset({"chat", "completion", "documents"})
"""What is said of every model that chats, and what Ollama has no word for."""

_UNSAID = ("completion", "tools")
"""Where nobody said what a model can do. Most can call tools; thinking and pictures are refused by those that cannot."""

_NO_WORD = re.compile(r"[^a-z0-9]+")


def write_show(model: ModelInfo) -> dict[str, JSON]:
    """The answer to `/api/show`. What is not known is left out of `model_info`: clients have their own defaults."""
    row = write_model(model)
    architecture = _NO_WORD.sub("", model.owner.lower()) or "unknown"
    info: dict[str, JSON] = {"general.architecture": architecture, "general.basename": model.id}
    if model.context:
        info[f"{architecture}.context_length"] = model.context
    return {
        "license": "",
        "modelfile": f"FROM {model.id}\n",
        "parameters": f"num_ctx {model.context}" if model.context else "",
        "template": "{{ .Prompt }}",
        "details": row["details"],
        "model_info": info,
        "capabilities": capabilities(model),
        "modified_at": row["modified_at"],
    }


def capabilities(model: ModelInfo) -> list[str]:
    """The config's words are Ollama's but for a few; a model that embeds does nothing else."""
    if not model.abilities:
        return list(_UNSAID)
    said = sorted(model.abilities - _UNKNOWN)
    return said if said == ["embedding"] else ["completion", *said]
