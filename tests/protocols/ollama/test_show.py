from __future__ import annotations

import ollama
import pytest

from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.ollama.show import RUNNING, VERSION, capabilities, write_show


def test_editors_find_the_context_and_what_the_model_can_do() -> None:
    model = ModelInfo(id="a/b", owner="Qwen 3.x", context=262_144, abilities=frozenset({"tools", "thinking"}), created=1)
    shown = ollama.ShowResponse(**write_show(model))
    assert shown.modelinfo is not None
    architecture = shown.modelinfo["general.architecture"]
    assert shown.modelinfo[f"{architecture}.context_length"] == 262_144
    assert shown.capabilities == ["completion", "thinking", "tools"]
    assert shown.details is not None
    assert shown.modified_at is not None


def test_what_is_not_known_is_not_said() -> None:
    document = write_show(ModelInfo(id="a"))
    assert not [key for key in document["model_info"] if key.endswith("context_length")]
    assert document["parameters"] == ""


@pytest.mark.parametrize(
    ("abilities", "words"),
    [
        ([], ["completion", "tools"]),
        (["embedding"], ["embedding"]),
        (["completion", "insert", "vision"], ["completion", "insert", "vision"]),
        (["chat", "documents"], ["completion"]),
    ],
)
def test_capabilities(abilities: list[str], words: list[str]) -> None:
    assert capabilities(ModelInfo(id="a", abilities=frozenset(abilities))) == words


def test_what_never_changes() -> None:
    assert ollama.ProcessResponse(**RUNNING).models == []
    assert tuple(map(int, VERSION["version"].split("."))) > (0, 6, 4)
