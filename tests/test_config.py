from __future__ import annotations

import contextlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.config import (
    RESERVED,
    Config,
    Group,
    Limits,
    Log,
    Model,
    Provider,
    Server,
    Store,
    Timeouts,
    checked,
    find,
    is_loopback,
    load,
    loads,
    state_folder,
    traffic_file,
    user_folder,
)
from ccproxy.config.quirks import QUIRK
from ccproxy.config.settings import SAMPLING
from ccproxy.errors import ConfigError
from ccproxy.model import Sampling
from ccproxy.policy.quirks import Quirk
from ccproxy.policy.rewrite import Rules
from ccproxy.policy.routing import Destination
from ccproxy.policy.vendors import BUILT_IN

ENV = {"KEY_1": "sk-first", "KEY_2": "sk-second", "PROXY_PASSWORD": "hush-proxy"}

FULL = """
[server]
host = "0.0.0.0"
port = 8080

[keys]
claude-code = "cs-1"
laptop = "cs-2"

[providers.bailian]
protocol = "openai"
base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1/"
api_keys = ["${KEY_1}", "${KEY_2}"]
headers = { X-Team = "blue" }
proxy = "socks5://me:${PROXY_PASSWORD}@proxy.example:1080"
stream = "always"
warm = 2
defaults = { max_tokens = 32000, temperature = 0.7, stop = ["END"] }

[providers.bailian.models."qwen3-coder-plus"]
context = 1000000
abilities = ["tools", "vision", "thinking"]

[providers.local]
protocol = "ollama"

[groups.qwen]
description = "Claude Code on qwen3-coder"
keys = ["claude-code"]
balance = "failover"

[groups.qwen.models]
"claude-sonnet-5" = ["bailian/qwen3-coder-plus", "local/qwen3/coder:30b"]
"claude-*haiku*" = "bailian/qwen3-coder-flash"
"*" = "bailian/*"

[limits]
max_body = 1000000

[timeouts]
first_byte = 30

[log]
level = "debug"
"""


def test_the_whole_file() -> None:
    config = loads(FULL, ENV)
    assert config.server == Server(host="0.0.0.0", port=8080)
    assert config.keys == {"claude-code": "cs-1", "laptop": "cs-2"}
    assert config.providers["bailian"] == Provider(
        protocol="openai",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        api_keys=("sk-first", "sk-second"),
        headers={"x-team": "blue"},
        proxy="socks5://me:hush-proxy@proxy.example:1080",
        stream="always",
        warm=2,
        defaults={"max_tokens": 32000, "temperature": 0.7, "stop": ["END"]},
        models={"qwen3-coder-plus": Model(context=1_000_000, abilities=frozenset({"tools", "vision", "thinking"}))},
    )
    assert config.groups["qwen"] == Group(
        description="Claude Code on qwen3-coder",
        keys=("claude-code",),
        balance="failover",
        models={
            "claude-sonnet-5": (Destination("bailian", "qwen3-coder-plus"), Destination("local", "qwen3/coder:30b")),
            "claude-*haiku*": (Destination("bailian", "qwen3-coder-flash"),),
            "*": (Destination("bailian", "*"),),
        },
    )
    assert config.limits == Limits(max_body=1_000_000)
    assert config.timeouts == Timeouts(first_byte=30)
    assert config.log == Log(level="debug")
    assert config.router().resolve("qwen", "claude-3-haiku").destinations == (Destination("bailian", "qwen3-coder-flash"),)


def test_what_is_not_said_has_a_default() -> None:
    config = loads('[providers.a]\nprotocol = "claude"', {})
    assert (config.server.host, config.server.port) == ("127.0.0.1", 11434)
    assert config.keys == {}
    assert config.providers["a"] == Provider(protocol="claude", base_url="https://api.anthropic.com")
    assert config.limits.max_body == 64 * 1024 * 1024
    assert config.timeouts == Timeouts(connect=10, first_byte=600, idle=300, keepalive=15, hold=10)


def test_a_default_of_an_empty_file_is_what_the_classes_say() -> None:
    assert Config().timeouts == Timeouts()
    assert Config().is_local


PROVIDER = '[providers.bailian]\nprotocol = "openai"\n'
GROUP = "[groups.qwen.models]\n"

# The whole text of a file, and every complaint about it.
BAD: dict[str, tuple[str, list[str]]] = {
    "five mistakes": (
        """
[server]
prot = 1
[providers.bailian]
protocl = "openai"
protocol = "opnai"
api_keys = ["${NOT_SET}"]
[groups.qwen.models]
"claude-*" = "bailan/x"
""",
        [
            "server.prot: unknown key; did you mean port?",
            "providers.bailian.protocl: unknown key; did you mean protocol?",
            "providers.bailian.protocol: must be one of openai, responses, claude, gemini, ollama; did you mean openai?",
            "providers.bailian.api_keys[0]: the environment variable NOT_SET is not set",
            'groups.qwen.models."claude-*": provider "bailan" does not exist; known: bailian',
        ],
    ),
    "five mistakes of what belongs together": (
        """
[server]
host = "0.0.0.0"
port = 8000
[providers.bailian]
protocol = "openai"
base_url = "http://localhost:8000/v1"
api_keys = ["same", "same"]
[groups.qwen]
keys = ["nobody"]
[groups.qwen.models]
"gpt" = "bailian/*"
""",
        [
            "server.host: an address that other machines reach needs proxy keys: add [keys] with a line NAME = TOKEN, "
            "or use 127.0.0.1",
            "providers.bailian.api_keys: number 2 and number 1 are the same key",
            "providers.bailian.base_url: is where ccproxy itself listens; give it another one: port = 8001 in [server]",
            "groups.qwen.keys[0]: is not the name of a key in [keys]; known: none",
            'groups.qwen.models.gpt: "bailian/*" has 1 * and the alias 0; write as many on the right, or none',
        ],
    ),
    "balance and targets": (
        PROVIDER + "[groups.a]\nbalance = 'random'\nmodels.x = ['bailian/a', 'bailian/b', 'bailian/a', 'bailian/a']\n"
        "models.y = []\n[groups.b]\nbalance = 1\nbalanced = 'rotate'\nmodels.x = 'bailian/a'\n",
        [
            "groups.a.balance: must be one of rotate, failover",
            "groups.a.models.y: must name at least one",
            "groups.b.balance: must be a string, not a whole number",
            "groups.b.balanced: unknown key; did you mean balance?",
            'groups.a.models.x: "bailian/a" is there twice; each target gets the same part',
        ],
    ),
    "nothing": ("", ["providers: there is none; add [providers.NAME] with its protocol, base_url and api_keys"]),
    "ranges": (
        "[server]\nport = 70000\n[limits]\nmax_body = 0\nmax_head = 'x'\n[timeouts]\nidle = -1\n[log]\nlevel = 'inf'\n"
        + PROVIDER,
        [
            "server.port: must be a whole number from 0 to 65535",
            "limits.max_body: must be a whole number of 1024 or more",
            "limits.max_head: must be a whole number from 1024 to 1048576, not a string",
            "timeouts.idle: must be a number from 0.1 to 86400",
            "log.level: must be one of debug, info, warning, error; did you mean info?",
        ],
    ),
    "hosts": (
        "[server]\nhost = '127.0.0.1:80'\n" + PROVIDER,
        ["server.host: must be a host name or an IP address, without a port"],
    ),
    "tables that are none": (
        "server = 1\nkeys = 'x'\nproviders = []\ngroups.a = 1\nlog = true",
        [
            "server: must be a table, not a whole number",
            "keys: must be a table, not a string",
            "providers: must be a table, not a list",
            "groups.a: must be a table, not a whole number",
            "log: must be a table, not true or false",
            "providers: there is none; add [providers.NAME] with its protocol, base_url and api_keys",
        ],
    ),
    "keys": (
        "[keys]\na = 'one'\nb = 'one'\nc = ''\nd = 'two words'\n'e f' = 'x'\ng = 5\n" + PROVIDER,
        [
            "keys.c: is empty",
            "keys.d: has a space, a line break or another character that a key cannot have",
            'keys."e f": must be letters, digits, _, - and . (not first)',
            "keys.g: must be a string, not a whole number",
            "keys: b and a are the same token",
        ],
    ),
    "a provider": (
        """
[providers."a/b"]
base_url = "example.com"
headers = { Content-Length = "5", "X Y" = "1", ok = "a\\nb" }
proxy = "ftp://x"
stream = "Auto"
warm = 17
defaults = { temperature = 3, top_pp = 0.5, max_tokens = 0, stop = "x" }
models.m = { context = -1, abilities = ["tols"], colour = "red" }
""",
        [
            'providers."a/b": must be letters, digits, _, - and . (not first)',
            'providers."a/b".base_url: must be a URL that begins with http:// or https:// and names a host',
            'providers."a/b".headers.Content-Length: is set by ccproxy itself, for each connection',
            'providers."a/b".headers."X Y": must be the name of an HTTP header',
            'providers."a/b".headers.ok: must be plain ASCII text without line breaks and without spaces around it',
            'providers."a/b".proxy: must be a URL that begins with http:// or https:// or socks5:// and names a host',
            'providers."a/b".stream: must be one of auto, always, never; did you mean auto?',
            'providers."a/b".warm: must be a whole number from 0 to 16',
            'providers."a/b".defaults.temperature: must be a number from 0 to 2',
            'providers."a/b".defaults.top_pp: unknown key; did you mean top_p?',
            'providers."a/b".defaults.max_tokens: must be a whole number of 1 or more',
            'providers."a/b".defaults.stop: must be a list, not a string',
            'providers."a/b".models.m.context: must be a whole number of 1 or more',
            'providers."a/b".models.m.abilities[0]: must be one of tools, vision, audio, documents, thinking, embedding; '
            "did you mean tools?",
            'providers."a/b".models.m.colour: unknown key; known: context, abilities',
            'providers."a/b".protocol: is missing: one of openai, responses, claude, gemini, ollama',
        ],
    ),
    "targets": (
        PROVIDER
        + GROUP
        + "a = 'bailian'\nb = 'bailian/'\nc = []\nd = ['bailian/x', 5]\ne = 'bailian/x?'\n'' = 'bailian/x'\n",
        [
            'groups.qwen.models.a: must be "provider/model", as in "bailian/qwen3-coder-plus" or "bailian/*"',
            'groups.qwen.models.b: must be "provider/model", as in "bailian/qwen3-coder-plus" or "bailian/*"',
            "groups.qwen.models.c: must name at least one",
            "groups.qwen.models.d[1]: must be a string, not a whole number",
            "groups.qwen.models.e: a ? cannot stand on the right: only what a * matched is carried over",
            'groups.qwen.models."": must be a name, not empty',
        ],
    ),
    "groups": (
        PROVIDER + "[groups.a]\nkeys = []\n[groups.a.models]\n[groups.'b@c']\nmodel.x = 'bailian/x'\n",
        [
            'groups."b@c": must be letters, digits, _, - and . (not first)',
            'groups."b@c".model: unknown key; did you mean models?',
            'groups."b@c".models: is missing: a table of aliases, such as "*" = "PROVIDER/*"',
            "groups.a.keys: is empty, so nobody could use the group; leave it out to let every key in",
            'groups.a.models: is empty; add a line such as "*" = "PROVIDER/*"',
        ],
    ),
    "more warm connections than the pool keeps": (
        "".join(f"[providers.p{number}]\nprotocol = 'claude'\nwarm = 13\n" for number in range(5)),
        ["providers: warm must be 64 at most for all providers together: each is an open socket"],
    ),
    "a key that is wrong is still a key": (
        "[keys]\nlaptop = ''\n" + PROVIDER + "[groups.a]\nkeys = ['laptop', 'laptp']\nmodels.x = 'bailian/x'\n",
        ["keys.laptop: is empty", "groups.a.keys[1]: is not the name of a key in [keys]; did you mean laptop?"],
    ),
}


@pytest.mark.parametrize(("text", "complaints"), BAD.values(), ids=BAD.keys())
def test_every_problem_is_told_with_its_key_path(text: str, complaints: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, {})
    assert list(caught.value.problems) == complaints


LATER = {
    "": "security = {}\n",
}


@pytest.mark.parametrize(("path", "lines"), LATER.items(), ids=[path or "top" for path in LATER])
def test_what_is_designed_but_not_built_is_refused_by_name(path: str, lines: str) -> None:
    text = PROVIDER + lines if path.startswith("providers") else lines + PROVIDER
    with pytest.raises(ConfigError) as caught:
        loads(text, {})
    named = [line.split(":")[0].removeprefix(path).strip(".") for line in caught.value.problems]
    assert named == [
        line.split(" ")[0].split(".")[0] for line in lines.splitlines() if not line.startswith(("[", "models"))
    ]
    assert all(line.endswith("not supported yet by this version of ccproxy; remove it") for line in caught.value.problems)


def test_what_is_secret() -> None:
    more = "api_keys = ['sk-1']\nheaders = { authorization = 'Bearer a-key-in-a-header-1', x-version = 'v 2.0' }\n"
    config = loads("[keys]\nlaptop = 'cs-1'\n" + PROVIDER + more, {})
    assert config.providers["bailian"].secrets == ("sk-1", "a-key-in-a-header-1")
    assert config.secrets == ("cs-1", "sk-1", "a-key-in-a-header-1")


def test_where_the_traffic_log_is(tmp_path: Path) -> None:
    home = {"HOME": "/home/me"}
    assert loads(PROVIDER, home, folder=tmp_path).log.traffic == ""
    assert loads(PROVIDER + "[log]\ntraffic = 'logs/t.jsonl'", home, folder=tmp_path).log.traffic == str(
        tmp_path / "logs" / "t.jsonl"
    )
    assert traffic_file("/var/t", home, tmp_path) == Path("/var/t")
    assert traffic_file("~nobody-of-this-name/t", home, tmp_path) == tmp_path / "~nobody-of-this-name" / "t"
    assert traffic_file("", {"XDG_STATE_HOME": "/state"}, tmp_path).name == "traffic.jsonl"


STATES = [
    ("linux", {"HOME": "/home/me"}, "/home/me/.local/state/ccproxy"),
    ("linux", {"HOME": "/home/me", "XDG_STATE_HOME": "/state"}, "/state/ccproxy"),
    ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Application Support/ccproxy"),
    ("win32", {"USERPROFILE": "/me", "LOCALAPPDATA": "/me/local"}, "/me/local/ccproxy"),
    ("win32", {"USERPROFILE": "/me"}, "/me/AppData/Local/ccproxy"),
]


@pytest.mark.parametrize(("platform", "env", "folder"), STATES)
def test_the_folder_for_state(platform: str, env: dict[str, str], folder: str) -> None:
    assert state_folder(env, platform) == Path(folder)


def test_what_the_traffic_log_may_take() -> None:
    config = loads(PROVIDER + "[server]\nlog_bodies = true\n[log]\ntraffic_files = 1\ntraffic_bytes = 4096\n", {})
    assert (config.server.log_bodies, config.log.traffic_files, config.log.traffic_bytes) == (True, 1, 4096)
    with pytest.raises(ConfigError) as caught:
        loads(PROVIDER + "[server]\nlog_bodies = 'on'\n[log]\ntraffic_files = 0\ntraffic_body = 1\n", {})
    assert list(caught.value.problems) == [
        "server.log_bodies: must be true or false, not a string",
        "log.traffic_files: must be a whole number from 1 to 1000",
        "log.traffic_body: must be a whole number from 1024 to 1073741824",
    ]


RULED = PROVIDER + "[groups.a]\nmodels.a = 'bailian/a'\n"
RULES = [
    ("prompt_injection = 'append'\nprompt = 'x'", "prompt_injection: must be one of off, enhance, replace"),
    ("prompt_injection = 'enhance'", "prompt_injection: has nothing to inject: add prompt or prompt_file"),
    ("prompt_injection = 'replace'\nprompt = ''", "prompt_injection: has nothing to inject: add prompt or prompt_file"),
    ("prompt = 'x'", 'prompt: is not used: add prompt_injection = "enhance" or "replace"; "off" keeps it for later'),
    ("prompt_injection = 'off'\nprompt = 'x'\nprompt_file = 'p.md'", "prompt_file: cannot stand beside prompt"),
    ("prompt_injection = 'off'\nprompt_file = 'none.md'", "prompt_file: cannot be read: No such file or directory"),
    ("prompt_injection = 'off'\nprompt_file = '.'", "prompt_file: cannot be read: Is a directory"),
    ("prompt_injection = 'off'\nprompt_file = 'odd.md'", "prompt_file: is not UTF-8 text; save it as UTF-8"),
    ("prompt_injection = 'off'\nprompt_file = 'empty.md'", "prompt_file: is empty"),
    ("prompt_injection = 'off'\nprompt_file = 'long.md'", "prompt_file: has more than 1048576 bytes"),
    (
        "prompt_injection = 'enhance'\nprompt = 'builtin:agnet'",
        'prompt: there is no built-in prompt "agnet"; did you mean agent?',
    ),
    ("prompt_injection = 'enhance'\nprompt = 'builtin:'", 'prompt: there is no built-in prompt ""; known: agent, agent-'),
    ("prompt_position = 'first'", "prompt_position: must be one of system, user"),
    ("prompt_models = []", "prompt_models: must name at least one"),
    ("prompt_replace = ['a', 'b']", "prompt_replace[0]: must be a list, not a string"),
    ("prompt_replace = [['a']]", "prompt_replace[0]: must be two texts"),
    ("prompt_replace = [['', 'a']]", "prompt_replace[0]: must have an old text that is not empty"),
    ("prompt_replace = [['a', 1]]", "prompt_replace[0][1]: must be a string, not a whole number"),
    ("tool_filter = 'Web*'", "tool_filter: must be a list, not a string"),
    ("tool_filter = ['']", "tool_filter[0]: must be a name, not empty"),
    ("temperature_ratio = -0.1", "temperature_ratio: must be a number from 0 to 10"),
    ("temperature_ratio = 11", "temperature_ratio: must be a number from 0 to 10"),
    ("temperature_ratio = true", "temperature_ratio: must be a number from 0 to 10, not true or false"),
    ("prompt_inject = 'off'", "prompt_inject: unknown key; did you mean prompt_injection?"),
]


@pytest.mark.parametrize(("lines", "complaint"), RULES)
def test_mistakes_in_a_groups_rules(lines: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("x")
    (tmp_path / "odd.md").write_bytes(b"\xff")
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "long.md").write_text("x" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError) as caught:
        loads(RULED + lines, {}, folder=tmp_path)
    assert caught.value.problems[0].startswith(f"groups.a.{complaint}")


def test_a_groups_rules() -> None:
    lines = """
prompt_injection = "enhance"
prompt = "Be brief."
prompt_position = "user"
prompt_models = "claude-*"
prompt_replace = [["old", "new"], ["gone", ""]]
tool_filter = ["Web*"]
temperature_ratio = 0.7
"""
    assert loads(RULED + lines, {}).groups["a"].rules(strip_billing_line=True) == Rules(
        injection="enhance",
        prompt="Be brief.",
        position="user",
        models=("claude-*",),
        replacements=(("old", "new"), ("gone", "")),
        tool_filter=("Web*",),
        temperature_ratio=0.7,
        strip_billing_line=True,
    )
    assert loads(RULED, {}).groups["a"].rules(strip_billing_line=False) == Rules()


def test_a_prompts_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "agent.md").write_bytes(b"\xef\xbb\xbfBe ${BRIEF}.\n\n")
    path = tmp_path / "ccproxy.toml"
    path.write_text(RULED + "prompt_injection = 'enhance'\nprompt_file = 'prompts/agent.md'\n")
    group = load(path, {}).groups["a"]
    assert (group.prompt, group.prompt_file) == ("Be ${BRIEF}.", str(tmp_path / "prompts" / "agent.md"))


@pytest.mark.parametrize(("said", "means"), [("'auto'", None), ("true", True), ("false", False)])
def test_whether_the_billing_line_is_removed(said: str, means: bool | None) -> None:
    assert loads(PROVIDER + f"strip_billing_line = {said}\n", {}).providers["bailian"].strip_billing_line is means
    with pytest.raises(ConfigError, match=r'strip_billing_line: must be true, false or "auto"'):
        loads(PROVIDER + "strip_billing_line = 'yes'\n", {})


def test_the_active_group_is_one() -> None:
    assert loads("[server]\nactive_group = 'a'\n" + RULED, {}).server.active_group == "a"
    assert loads("[server]\nactive_group = 'default'\n" + PROVIDER, {}).server.active_group == "default"
    with pytest.raises(ConfigError, match=r'server\.active_group: "b" is not the name of a group; known: a'):
        loads("[server]\nactive_group = 'b'\n" + RULED, {})


def test_how_a_group_has_its_tools_served() -> None:
    groups = "[groups.a]\nmodels.a = 'bailian/a'\ncompat = '{}'\n"
    assert loads(PROVIDER + groups.format("native"), {}).groups["a"].compat == "native"
    assert loads(PROVIDER + "[groups.a]\nmodels.a = 'bailian/a'\n", {}).groups["a"].compat == "auto"
    with pytest.raises(ConfigError, match=r"groups\.a\.compat: .*auto, compat, native"):
        loads(PROVIDER + groups.format("on"), {})


def test_the_store_of_earlier_answers() -> None:
    assert loads(PROVIDER, {}).store == Store(path="", max_bytes=64 * 2**20, max_count=10_000, max_age=30 * 86_400)
    said = "[store]\npath = '${HOME}/turns.db'\nmax_bytes = 4096\nmax_count = 0\nmax_age = 3600\n"
    found = loads(said + PROVIDER, {"HOME": "/home/me"}).store
    assert found == Store(path="/home/me/turns.db", max_bytes=4096, max_count=0, max_age=3600)
    with pytest.raises(ConfigError) as caught:
        loads("[store]\npath = 1\nmax_bytes = 10\nmax_count = -1\nmax_age = 0.5\nmaxage = 1\n" + PROVIDER, {})
    assert list(caught.value.problems) == [
        "store.path: must be a string, not a whole number",
        "store.max_bytes: must be a whole number of 1024 or more",
        "store.max_count: must be a whole number of 0 or more",
        "store.max_age: must be a number from 1 to 315360000",
        "store.maxage: unknown key; did you mean max_age?",
    ]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_no_group(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^groups.{name}: is a reserved name"):
        loads(f"{PROVIDER}[groups.{name}.models]\na = 'bailian/a'", {})


def test_the_reserved_names_are_those_of_the_design() -> None:
    assert len(RESERVED) == 14


SECRETS: list[tuple[str, Mapping[str, str]]] = [
    ("[providers.a]\nprotocol = '${KEY}'\nbase_url = '${KEY}'\nproxy = '${KEY}'\nstream = '${KEY}'", {"KEY": "sk-hush"}),
    ("[providers.a]\nprotocol = 'openai'\nbase_url = 'https://x:sk-hush@h'\napi_keys = ['sk-hush two']", {}),
    ("[providers.a]\nprotocol = 'openai'\nbase_url = 'https://h?key=sk-hush'\nproxy = 'x://sk-hush@h'", {}),
    ("[keys]\na = 'sk-hush'\nb = 'sk-hush'\nc = 'sk-hush ?'\n'd e' = 'sk-hush-3'", {}),
    ("[providers.a]\nprotocol = 'openai'\nheaders = { a = '${KEY}', connection = '${KEY}' }", {"KEY": "sk-hush\n"}),
    ("[keys]\na = 'sk-hush", {}),
    ("[keys]\na = 'x'\n[groups.g]\nkeys = ['sk-hush']\nmodels.a = 'b/c'", {}),
    ("keys = 'sk-hush'\nproviders = 'sk-hush'", {}),
]


@pytest.mark.parametrize(("text", "env"), SECRETS)
def test_no_complaint_shows_a_secret(text: str, env: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, env)
    assert caught.value.problems
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(caught.value)


def test_no_repr_shows_a_secret() -> None:
    shown = repr(loads(FULL.replace("blue", "hush-header"), {**ENV, "KEY_1": "sk-hush"}))
    assert "bailian" in shown
    for word in ("hush", "cs-1", "sk-"):
        assert word not in shown


def test_bad_toml_is_told_with_its_line_and_column() -> None:
    with pytest.raises(ConfigError, match=r"^not valid TOML: .*\(at line 3, column 6\)$"):
        loads("[server]\nport = 1\nhost 5\n", {})


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000, "a = 1\na = 2", "[a]\n[a]", "\x00"])
def test_toml_of_any_kind_raises_nothing_but_config_errors(text: str) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        loads(text, {})


def test_without_groups_one_provider_serves_every_name() -> None:
    router = loads(PROVIDER, {}).router()
    assert router.resolve("", "vendor/any:model").destinations == (Destination("bailian", "vendor/any:model"),)


def test_without_groups_several_providers_are_told_apart_by_name() -> None:
    router = loads(PROVIDER + "[providers.other]\nprotocol = 'claude'", {}).router()
    assert router.resolve("", "other/x/y").destinations == (Destination("other", "x/y"),)
    assert router.resolve("", "bailian/x").destinations == (Destination("bailian", "x"),)


def test_with_groups_nothing_is_added() -> None:
    assert loads(PROVIDER + GROUP + "a = 'bailian/a'", {}).router().groups == ("qwen",)


def test_the_command_line_takes_the_place_of_the_file_before_it_is_judged() -> None:
    local = "[providers.local]\nprotocol = 'ollama'\n"
    with pytest.raises(ConfigError, match="where ccproxy itself listens"):
        loads(local, {})
    assert loads(local, {}, port=11435).server.port == 11435
    with pytest.raises(ConfigError, match=r"server\.host: an address that other machines reach needs proxy keys"):
        loads(PROVIDER, {}, host="0.0.0.0")
    assert loads("[server]\nport = 1\n" + PROVIDER, {}, host="localhost") == loads(
        "[server]\nport = 1\nhost = 'localhost'\n" + PROVIDER, {}
    )


OWN = [
    ("127.0.0.1", "http://127.0.0.1:9000/v1", True),
    ("127.0.0.1", "http://localhost:9000", True),
    ("127.0.0.1", "http://[::1]:9000", True),
    ("127.0.0.1", "http://127.0.0.1:9001", False),
    ("127.0.0.1", "http://example.com:9000", False),
    ("box.lan", "http://box.lan:9000", True),
]


@pytest.mark.parametrize(("host", "address", "own"), OWN)
def test_a_provider_at_our_own_address_is_refused(host: str, address: str, own: bool) -> None:
    text = f"[server]\nhost = '{host}'\nport = 9000\n[keys]\na = 'x'\n{PROVIDER}base_url = '{address}'\n"
    if own:
        with pytest.raises(ConfigError, match=r"port = 9001"):
            loads(text, {})
    else:
        assert loads(text, {}).providers["bailian"].base_url == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert loads(f"[server]\nhost = '{host}'\n{PROVIDER}", {}).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", "localhost.example.com"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
    assert not loads(f"[server]\nhost = '{host}'\n[keys]\na = 'x'\n{PROVIDER}", {}).is_local


def test_defaults_may_set_every_sampling_field() -> None:
    assert set(SAMPLING) == {a.name for a in attrs.fields(Sampling)}


# ---------------------------------------------------------------------------------------------------------------------
# Files


def test_load_reads_the_environment_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCPROXY_TEST_KEY", "sk-env")
    file = tmp_path / "ccproxy.toml"
    file.write_text(PROVIDER + 'api_keys = ["${CCPROXY_TEST_KEY}"]')
    assert load(str(file)).providers["bailian"].api_keys == ("sk-env",)
    with pytest.raises(ConfigError, match="CCPROXY_TEST_KEY is not set"):
        load(file, {})


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "ccproxy.toml"
    file.write_bytes(b"\xef\xbb\xbf" + PROVIDER.encode())
    assert load(file, {}).providers


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "cannot be read: "), (b"\xff\xfea\x00", "is not UTF-8 text; save it as UTF-8")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    file = tmp_path / "ccproxy.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint):
        load(file, {})


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "APPDATA": str(home)}
    users = user_folder(env) / "ccproxy.toml"
    named, local, other = tmp_path / "named.toml", here / "ccproxy.toml", tmp_path / "other.toml"
    for file in (users, local, named, other):
        file.parent.mkdir(parents=True, exist_ok=True)
    users.touch()
    assert find(None, env, here) == users
    local.touch()
    assert find(None, env, here) == local
    other.touch()
    assert find(None, {**env, "CCPROXY_CONFIG": str(other)}, here) == other
    named.touch()
    assert find("../named.toml", {**env, "CCPROXY_CONFIG": str(other)}, here).samefile(named)


@pytest.mark.parametrize(("explicit", "variable"), [("gone.toml", None), (None, "gone.toml")])
def test_a_named_file_that_is_missing_is_not_replaced_by_another(
    tmp_path: Path, explicit: str | None, variable: str | None
) -> None:
    (tmp_path / "ccproxy.toml").touch()
    env = {"CCPROXY_CONFIG": variable} if variable else {}
    with pytest.raises(ConfigError, match=r"gone\.toml: there is no such file"):
        find(explicit, env, tmp_path)


def test_no_file_anywhere_tells_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration; looked for .*ccproxy\.toml and .*ccproxy\.toml"):
        find(None, {"HOME": str(tmp_path), "APPDATA": str(tmp_path)}, tmp_path)


FOLDERS = [
    ("linux", {"HOME": "/h"}, "/h/.config/ccproxy"),
    ("linux", {"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/ccproxy"),
    ("darwin", {"HOME": "/h"}, "/h/Library/Application Support/ccproxy"),
    ("win32", {"USERPROFILE": "/u", "APPDATA": "/a"}, "/a/ccproxy"),
    ("win32", {"USERPROFILE": "/u"}, "/u/AppData/Roaming/ccproxy"),
]


@pytest.mark.parametrize(("platform", "env", "folder"), FOLDERS)
def test_the_users_folder(platform: str, env: dict[str, str], folder: str) -> None:
    assert user_folder(env, platform) == Path(folder)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ccproxy.toml"
    file.touch(mode=0o000)
    with pytest.raises(ConfigError, match="Permission denied"):
        load(file, {})


# ---------------------------------------------------------------------------------------------------------------------
# Anything else

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["${X}", "http://[", "http://h:x", "a/*", "1.2.3.4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*path, name))


PLACES = [path for path in places(tomllib.loads(FULL)) if path]


@given(st.lists(st.tuples(st.sampled_from(PLACES), junk), min_size=1, max_size=4))
def test_whatever_stands_in_a_place_only_complaints_come_out(changes: list[tuple[tuple[str | int, ...], Any]]) -> None:
    document = tomllib.loads(FULL)
    for path, value in changes:
        holder: Any = document
        with contextlib.suppress(LookupError, TypeError):  # an earlier change took the place away
            for name in path[:-1]:
                holder = holder[name]
            holder[path[-1]] = value
    with contextlib.suppress(ConfigError):
        checked(document, ENV)


ENDINGS = [
    ("openai", "https://h/v1/chat/completions", "https://h/v1"),
    ("openai", "https://h/v1", "https://h/v1"),
    ("claude", "https://h/anthropic/v1/", "https://h/anthropic"),
    ("ollama", "http://h:1/v1", "http://h:1"),
    ("ollama", "http://h:1/", "http://h:1"),
]


@pytest.mark.parametrize(("protocol", "written", "read"), ENDINGS)
def test_what_the_protocols_own_paths_begin_with_is_taken_off_a_base_url(protocol: str, written: str, read: str) -> None:
    """F188: people paste the URL of another protocol's SDK, or of the route itself."""
    config = loads(f"[providers.a]\nprotocol = '{protocol}'\nbase_url = '{written}'", {})
    assert config.providers["a"].base_url == read


# ---------------------------------------------------------------------------------------------------------------------
# [[quirks]]

EVERYTHING_SAID = """
[[quirks]]
provider = "bailian"
host = ["*.example.com"]
model = "qwen*"
path = "*/chat/completions"
since = "3"
before = "3.5"
source = "the vendor's mail"
keep = "top_p"
lacks = "min_p"
drop = ["temperature"]
drop_thinking = ["logprobs"]
only = { n = 1 }
rename = { max_tokens = "limit" }
fill = { a = { b = [1, 0.5, true, "x"] } }
takes = ["top_k"]
stream = "always"
id_length = 9
thoughts = "reasoning"
demands_thoughts = true
thinking_on = { thinking.type = "on" }
thinking_off = { thinking.type = "off" }
effort = "reasoning.effort"
budget = ""
efforts = ["low", "high"]
budgets = [1, 9]
again = "try_again"
refusals = 'no (?P<name>[a-z]+) here'
"""


def test_quirks_say_all_that_a_row_can_say() -> None:
    config = loads(EVERYTHING_SAID + PROVIDER, {})
    (row,) = config.quirks
    assert [name for name, value in attrs.asdict(row).items() if value is None] == []
    assert set(QUIRK) == {attribute.name for attribute in attrs.fields(Quirk)}
    traits = config.table.traits("bailian", "api.example.com", "qwen3", "/v1/chat/completions")
    assert (traits.drop, traits.rename, traits.fill) == (("temperature",), {"max_tokens": "limit"}, row.fill)
    assert (traits.effort, traits.thinking_on, traits.takes) == (
        "reasoning.effort",
        {"thinking": {"type": "on"}},
        {"top_k"},
    )


def test_quirks_of_the_file_come_after_those_of_the_table() -> None:
    rows = '[[quirks]]\nmodel = "o3"\nkeep = ["max_tokens", "temperature"]\nefforts = "high"\n'
    path = ("p", "h", "o3", "/chat/completions")
    assert loads(PROVIDER, {}).table is BUILT_IN
    assert BUILT_IN.traits(*path).rename == {"max_tokens": "max_completion_tokens"}
    traits = loads(rows + PROVIDER, {}).table.traits(*path)
    assert (traits.rename, traits.efforts, sorted(traits.only)) == (
        {},
        ("high",),
        ["frequency_penalty", "presence_penalty", "top_p"],
    )


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("drop = ['a']", "quirks[0]: must say whom it is about: at least one of provider, host, model, path"),
        ("model = 'a'", "quirks[0]: must say something of them, such as drop = "),
        ("model = 'a'\nsource = 'b'", "quirks[0]: must say something of them, such as drop = "),
        ("model = 'a'\ndropp = ['b']", "quirks[0].dropp: unknown key; did you mean drop?"),
        ("model = []\ndrop = ['b']", "quirks[0].model: must name at least one"),
        ("model = 'a'\ndrop = ['b c']", "quirks[0].drop[0]: must be a member of a request, such as temperature"),
        (
            "model = 'a'\ntakes = ['b']",
            "quirks[0].takes[0]: must be one of cache_control, custom_tools, media_results, min_p, repeat_penalty, top_k, ",
        ),
        (
            "model = 'a'\nefforts = ['hi']",
            "quirks[0].efforts[0]: must be one of none, minimal, low, medium, high, xhigh, max",
        ),
        ("model = 'a'\nsince = 'new'\ndrop = 'b'", "quirks[0].since: must be the number in a model's name"),
        ("model = 'a'\nbudgets = [9, 1]", "quirks[0].budgets: must be the least and the most tokens"),
        ("model = 'a'\nid_length = -1", "quirks[0].id_length: must be a whole number from 0 to 64"),
        ("model = 'a'\ndemands_thoughts = 1", "quirks[0].demands_thoughts: must be true or false, not a whole number"),
        ("model = 'a'\nfill = { x = 2020-01-01 }", "quirks[0].fill.x: must be a value that JSON has"),
        ("model = 'a'\nfill = { x = nan }", "quirks[0].fill.x: must be a value that JSON has"),
        ("model = 'a'\nrefusals = '('", "quirks[0].refusals: is no regular expression: missing ), unterminated subpattern"),
        ("model = 'a'\nrefusals = 'no'", "quirks[0].refusals: must have a group called name, as in "),
    ],
)
def test_what_is_wrong_with_a_quirk_is_told_with_its_key_path(row: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(f"[[quirks]]\n{row}\n{PROVIDER}", {})
    (problem,) = caught.value.problems
    assert problem.startswith(complaint)
