from __future__ import annotations

import json
import re

import pytest
from attrs import evolve

from ccproxy.cli.presets import PRESETS, Choices, is_variable, written
from ccproxy.config import Limits, Log, Timeouts, loads
from ccproxy.convert import convert_request
from ccproxy.policy.routing import Destination


@pytest.mark.parametrize("name", PRESETS)
def test_the_file_of_every_preset_is_valid_once_its_variable_is_set(name: str) -> None:
    preset = PRESETS[name]
    config = loads(written(Choices.of(name)), {preset.variable: "sk-1"} if preset.variable else {})
    provider = config.providers[name]
    assert provider.protocol == preset.protocol
    assert provider.api_keys == (("sk-1",) if preset.variable else ())
    assert provider.base_url.startswith("http")
    assert config.server.port == preset.port
    route = config.router().resolve("", "claude-opus-5")
    assert route.destinations == (Destination(name, preset.model or "claude-opus-5"),)
    assert config.router().resolve("", "any/name").destinations == (Destination(name, "any/name"),)


def test_what_openai_itself_is_asked_names_the_limit_as_its_models_take_it() -> None:
    protocol = loads(written(Choices.of("openai")), {"OPENAI_API_KEY": "sk-1"}).providers["openai"].protocol
    request = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    document = json.loads(convert_request(request, source="claude", target=protocol, model="gpt-5-mini").body)
    assert "max_tokens" not in document


def uncommented(text: str) -> str:
    """The file with every example in it switched on."""
    return re.sub(r"^# (\[.*|[\w\"*]+ = .*)$", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_commented_out_is_valid_too(name: str) -> None:
    text = uncommented(written(Choices.of(name)))
    assert "# defaults" not in text
    config = loads(text, {PRESETS[name].variable: "sk-1"} if PRESETS[name].variable else {})
    assert config.keys
    assert config.providers[name].models
    assert config.groups["work"].keys == ("laptop",)
    assert (config.limits, config.timeouts, config.log) == (Limits(), Timeouts(), Log())


def test_what_was_answered_is_written_as_toml() -> None:
    odd = evolve(Choices.of("other"), base_url="https://h/ö", key='k"\\', model='m"\\ [x]', port=9)
    config = loads(written(odd).replace("https://h/ö", "https://h/o"), {})
    assert config.providers["other"].api_keys == ('k"\\',)
    assert config.groups["default"].models["claude-*"] == (Destination("other", 'm"\\ [x]'),)
    assert config.server.port == 9


@pytest.mark.parametrize(
    ("text", "good"), [("A_1", True), ("_x", True), ("1A", False), ("sk-1", False), ("", False), ("A B", False)]
)
def test_names_of_variables(text: str, good: bool) -> None:
    assert is_variable(text) is good
