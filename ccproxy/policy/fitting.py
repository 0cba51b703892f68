"""A request's document as its target takes it, and the one that is worth sending after a refusal.

Both are pure functions of the document and the target's traits. What is left out is noted. Whatever an error names,
`repaired` leaves out tuning knobs only, nothing that a request is about (messages, tools, formats).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ccproxy.codec import jsontext
from ccproxy.errors import CcproxyError
from ccproxy.model import JSON, Traits
from ccproxy.reasoning import merged

Document = dict[str, JSON]


def fitted(document: Document, traits: Traits, note: Callable[[str], None], *, own: bool, thinks: bool = False) -> Document:
    """The document without what the target refuses; the given one when nothing has to change, and never changed itself.

    own: the client speaks the upstream's protocol and says itself what it wants, so that nothing is added. thinks: the
    model is asked to think. note: takes a sentence for each member that is left out."""
    fit = _renamed(document, traits)
    for member in traits.drop + (traits.drop_thinking if thinks else ()):
        fit = _dropped(fit, member, note)
    for member, value in traits.only.items():
        if member in fit and fit[member] != value:
            fit = _dropped(fit, member, note)
    return fit if own or not traits.fill else merged(traits.fill, fit)


def _renamed(document: Document, traits: Traits) -> Document:
    """With the vendor's names; where both stand, the vendor's own counts."""
    names = traits.rename
    if names.keys().isdisjoint(document):
        return document
    return {names.get(key, key): value for key, value in document.items() if names.get(key) not in document}


def _dropped(document: Document, member: str, note: Callable[[str], None]) -> Document:
    fit = _without(document, member.split("."))
    if fit is not document:
        note(f"{member} was left out: the model does not take it, or not this value")
    return fit


def _without(document: Document, path: list[str]) -> Document:
    """The document without one member; an object that held nothing else goes with it."""
    head, *rest = path
    if head not in document:
        return document
    left: Document = {key: value for key, value in document.items() if key != head}
    if not rest:
        return left
    inner = document[head]
    inner_left = _without(inner, rest) if isinstance(inner, dict) else inner
    if inner_left is inner:
        return document
    return {**document, head: inner_left} if inner_left else left


# ---------------------------------------------------------------------------------------------------------------------
# Repairs

_SAMPLED = (
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "temperature",
    "top_k",
    "top_p",
)
_SAID = (
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "parallel_tool_calls",
    "stream_options",
    "top_logprobs",
    "verbosity",
)
_THOUGHT = ("enable_thinking", "reasoning", "reasoning_effort", "thinking")
_CACHED = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
_KEPT = (*_CACHED, "client_metadata", "metadata", "safety_identifier", "service_tier", "store", "user")
KNOBS = frozenset({*_SAMPLED, *_SAID, *_THOUGHT, *_KEPT})
"""Members that a request can do without: what they tune falls back to the model's own way."""

_OTHERWISE = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""Never just left out: without a limit an answer may cost many times what the client allowed."""

_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")
_LONGEST = 20_000
"""Characters of an error that are searched; those that name a parameter have some hundred."""


def repaired(document: Document, error: CcproxyError, traits: Traits, note: Callable[[str], None]) -> Document | None:
    """What is worth sending once more after `error`: the same document where the answer may be better next time, one
    without the members that the error names as refused, or None."""
    if error.code in traits.again:
        note(f"asked once more after the upstream's {error.code}")
        return document
    if error.status not in (400, 422):
        return None
    fit = document
    for member in _refused(error, traits):
        fit = _repaired(fit, member, note)
    return None if fit is document else fit


def _repaired(document: Document, member: str, note: Callable[[str], None]) -> Document:
    if member not in document or member not in KNOBS:
        return document
    other = _OTHERWISE.get(member)
    if other is None:
        return _dropped(document, member, note)
    note(f"{member} was sent as {other}, after the upstream had refused it")
    return {other if key == member else key: value for key, value in document.items() if key != other}


def _refused(error: CcproxyError, traits: Traits) -> list[str]:
    """The members that the error names, as the document spells them: the patterns say where, and where they find something
    in an error that has a `param`, that is meant too."""
    texts = [error.message, _raw(error)]
    found = [
        match["name"] for pattern in traits.refusals for text in texts for match in re.finditer(pattern, text[:_LONGEST])
    ]
    if error.code in _CODES and error.param:
        found.append(error.param)
    names = (_CAPITAL.sub(lambda capital: "_" + capital.group(), name).lower().partition(".")[0] for name in found)
    return list(dict.fromkeys(names))


_CODES = ("unsupported_parameter", "unsupported_value", "unknown_parameter")
"""OpenAI's codes for a member that `param` names ("Error codes")."""


def _raw(error: CcproxyError) -> str:
    try:
        return "" if error.raw is None else jsontext.dumps_str(error.raw)
    except jsontext.JSONError:
        return ""
