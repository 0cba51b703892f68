"""The request judge: every recorded request, and those of `tests/data`, as a request of each protocol.

    taken   the official SDK's own request types take it (`fakes/accepting.py`)
    meant   it asks the same, as read without ccproxy's code (`fakes/asking`), but for what the written table says that
            the target cannot hold (`protocols/middle.py`, applied by `fakes/holding.py`)
    told    what was lost on the way stands in a note, but for the few rows that are quiet by DESIGN 4
    back    converted back it asks what it asked before, but for the rows of the protocol in the middle, and for those of
            its own protocol about what came back (a name that is demanded, say). Meanings are compared, not documents:
            no protocol keeps another's spellings

and into its own protocol, where nothing has to change, byte for byte. A refusal counts only where a row says `refused`. A
5x5 table of the cases that passed is printed at the end of a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from ccproxy.convert import Converted, convert_request
from ccproxy.errors import NotFound, RequestError, Unsupported
from ccproxy.protocols import PROTOCOLS
from tests.fakes.accepting import unknown_in
from tests.fakes.asking import JSONObject, Wish, wish_of
from tests.fakes.holding import Refused, aligned, held
from tests.protocols.middle import REQUESTS, Row
from tests.tools import recorded, recordings

FOLDERS = {
    "openai-chat": "openai",
    "openai-responses": "responses",
    "claude": "claude",
    "gemini": "gemini",
    "ollama": "ollama",
}
DATA = Path(__file__).parent / "data"
OWN_DATA = {
    "openai/requests.json": "openai",
    "claude/requests.json": "claude",
    "ollama/requests.json": "ollama",
    "responses/codex_turn.json": "responses",
    "responses/everything.json": "responses",
    "gemini/requests.json": "gemini",
    "gemini/request-everything.json": "gemini",
    "gemini/request-snake.json": "gemini",
}
KEPT = ("previous_response_id", "prompt")
"""What stands for input that only its own upstream keeps: such requests are judged without it, too."""

SEVERAL = "requests.json"
"""The name of files that hold requests by their names."""

MODEL = "some-model"
"""One that neither the vendor table nor the converters know anything about: what is judged is the protocols."""


@frozen
class Case:
    """A request. stream: what its path said about streaming, None where the body says it."""

    protocol: str
    body: bytes
    stream: bool | None

    @property
    def document(self) -> JSONObject:
        document: JSONObject = json.loads(self.body)
        return document

    @property
    def wish(self) -> Wish:
        return wish_of(self.protocol, self.document, self.stream)

    def to(self, target: str, model: str = MODEL) -> Converted:
        query = {"alt": "sse"}
        return convert_request(self.body, source=self.protocol, target=target, model=model, stream=self.stream, query=query)


def _recorded() -> list[Any]:
    found = []
    for param in recordings(*FOLDERS, "errors", part="request"):
        case = param.values[0]
        if case is None:
            found.append(pytest.param(None, id=param.id, marks=param.marks))
        elif case["protocol"] in FOLDERS and not _counts(case):
            protocol = FOLDERS[case["protocol"]]
            stream = "stream" in case["path"].lower() if protocol == "gemini" else None
            found.append(
                pytest.param(Case(protocol, recorded(case, "request"), stream), id=f"{case['dir']}-{case['name']}")
            )
    return found


def _counts(case: dict[str, Any]) -> bool:
    """Whether it asks for a count of tokens, not for an answer."""
    return any(word in (case.get("path") or "") for word in ("input_tokens", "count_tokens", "countTokens"))


def _own_data() -> list[Any]:
    found = []
    for path, protocol in OWN_DATA.items():
        raw = (DATA / path).read_bytes()
        named = json.loads(raw) if path.endswith(SEVERAL) else {path.rpartition("/")[2]: json.loads(raw)}
        stream = False if protocol == "gemini" else None
        for name, document in named.items():
            document = {**document, "model": MODEL} if protocol != "gemini" else document
            found.append(pytest.param(Case(protocol, json.dumps(document).encode(), stream), id=f"data-{protocol}-{name}"))
            alone = {key: value for key, value in document.items() if key not in KEPT}
            if alone != document:
                raw = json.dumps(alone).encode()
                found.append(pytest.param(Case(protocol, raw, stream), id=f"data-{protocol}-{name}-alone"))
    return found


CASES = [*_recorded(), *_own_data()]
PAIRS = [
    pytest.param(*case.values, target, id=f"{case.id}-{target}", marks=case.marks) for case in CASES for target in PROTOCOLS
]


@pytest.fixture
def judged(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """The table's line. Cases that skip are not in it."""
    case, target = request.getfixturevalue("case"), request.getfixturevalue("target")
    record_property("judged request", f"{case.protocol} {target}")


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(("case", "target"), PAIRS)
def test_it_arrives_whole(case: Case, target: str) -> None:
    if target == case.protocol:
        name = case.document.get("model") or MODEL
        assert case.to(target, name).body == case.body
        return
    try:
        expected, rows = held(case.wish, target)
    except Refused as refused:
        _refused(case, target, refused.args[0])
        return
    there = case.to(target)
    document = json.loads(there.body)
    assert unknown_in(target, document) == []
    asked = aligned(wish_of(target, document, _streams(there)), expected)
    assert asked == expected
    assert _untold(case.wish, rows, there.notes) == []
    back = Case(target, there.body, _streams(there) if target == "gemini" else None).to(case.protocol)
    returned = wish_of(case.protocol, json.loads(back.body), _streams(back))
    as_before = aligned(returned, expected)
    if as_before != expected:
        own, _ = held(expected, case.protocol)
        as_before, expected = aligned(returned, own), own
    assert as_before == expected


FAMILIES = {
    "openai": ("gpt-4.1", "gpt-5", "o3", "deepseek-chat", "qwen3-max", "mistral-large-latest", "kimi-k2", "glm-4.6"),
    "responses": ("gpt-4.1", "gpt-5", "o3"),
    "claude": ("claude-3-5-haiku-20241022", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-7"),
    "gemini": ("gemini-1.5-flash", "gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro-preview"),
    "ollama": ("gpt-oss:20b", "qwen3"),
}
"""Names by which the vendor table and the converters know what a model takes."""


@pytest.mark.parametrize(("case", "target"), PAIRS)
def test_it_is_taken_as_each_family_is_asked(case: Case, target: str) -> None:
    for model in FAMILIES[target] if target != case.protocol else ():
        try:
            there = case.to(target, model)
        except RequestError:
            continue  # what `test_it_arrives_whole` expects
        assert unknown_in(target, json.loads(there.body)) == []


def _streams(converted: Converted) -> bool:
    """What the path says."""
    return "streamGenerateContent" in converted.path


def _refused(case: Case, target: str, row: Row) -> None:
    """Before anything is sent, with the field and the target in the error, as status 400."""
    with pytest.raises(RequestError) as raised:
        case.to(target)
    if isinstance(raised.value, NotFound):  # as the client's own protocol says of an earlier answer that it does not keep
        assert raised.value.param == "previous_response_id"
        return
    assert isinstance(raised.value, Unsupported)
    assert raised.value.status == 400
    assert raised.value.target == target
    assert raised.value.field
    assert target in raised.value.message


# ---------------------------------------------------------------------------------------------------------------------
# What was lost and must be told

QUIET = {
    "cache": "DESIGN 4: cache marks are left out; they change no answer",
    "image.detail": "how finely a picture is looked at is the target's own matter",
    "document.name": "a label",
    "format.name": "a label, for the provider's own logs",
    "format.strict": "formats are strict there",
    "proof": "DESIGN 4: a signature goes back to its maker only; the words stay",
    "proof.foreign": "as proof",
    "proof.alone": "as proof",
    "thinking.adaptive": "the same, in the target's silence",
    "thinking.shown": "what is shown costs nothing and hides nothing",
    "thinking.hidden": "as thinking.shown",
}
"""Rows that say `left out`, and that no note has to tell -> why."""

_LOSSES = ("left out", "stand-in", "within", "at least", "the first")

WORDS = {
    "thought.foreign": "thought|reasoning|thinking",
    "thought.redacted": "thinking|thought",
    "result.is_error": "error",
    "parallel": "parallel_tool_calls",
    "tool.strict": "strict",
    "format.description": "description",
    "sampling.max_tokens": "max_output_tokens",
}
"""what -> the words of which a note must have one; for others the last word of `what`."""

_MEDIA = ("image", "document", "audio", "file")


def _untold(wish: Wish, rows: list[Row], notes: tuple[str, ...]) -> list[Row]:
    """The rows of which no note tells."""
    text = "\n".join(notes)
    return [row for row in rows if row.instead.startswith(_LOSSES) and row.what not in QUIET and not _told(wish, row, text)]


def _told(wish: Wish, row: Row, text: str) -> bool:
    if row.what == "own":
        return all(name in text for name in wish.own)
    if row.what == "tool.server":
        names = [tool[1].lower() for tool in wish.tools if tool[4] == "server"]
        return wish.choice == "none" or all(name in text.replace("_s", "s").lower() or name in text for name in names)
    if row.what == "part.opaque":
        return all(fact[2] in text for fact in wish.said if fact[1] == "opaque")
    if row.what.startswith(_MEDIA):
        return any(word in text for word in _MEDIA)
    words = WORDS.get(row.what, row.what.rpartition(".")[2])
    return any(word in text for word in words.split("|"))


PROPERTIES = {
    ("openai", "proof"),
    *((protocol, "thought.bare") for protocol in ("openai", "responses", "claude")),
    *(("responses", what) for what in ("thought.text", "thought.redacted")),
}
"""Rows for what only the property tests make: thoughts of the protocol's own that came by way of another."""


def test_every_row_is_needed() -> None:
    if CASES[0].values[0] is None:
        pytest.skip("no recorded traffic: set CCPROXY_RECORDINGS to its folder")
    needed = {(row.protocol, row.what) for param in CASES for target in PROTOCOLS for row in _needed(*param.values, target)}
    assert {(row.protocol, row.what) for row in REQUESTS} - needed == PROPERTIES


def _needed(case: Case, target: str) -> list[Row]:
    if target == case.protocol:
        return []
    try:
        return held(case.wish, target)[1]
    except Refused as refused:
        return [refused.args[0]]


def test_the_judge_sees_every_protocol() -> None:
    """Without recordings, too."""
    assert {param.values[0].protocol for param in _own_data()} == set(PROTOCOLS)
    assert set(FOLDERS.values()) == set(PROTOCOLS)
