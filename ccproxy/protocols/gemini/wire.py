"""Gemini's spellings: key names, and signatures on the wire.

Proto3 JSON ("ProtoJSON format", section "Field name") accepts each key in camelCase and in snake_case; answers come in
camelCase. Objects are read into camelCase; a `shape` keeps which keys were snake_case, so that they are written back so.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from ccproxy.codec import jsontext
from ccproxy.model import JSON, Reasoning, seal, unseal

NAME = "gemini"

SKIP_VALIDATION = "skip_thought_signature_validator"
"""What stands in for a signature that was never Gemini's ("Thought signatures", FAQ on history from other models)."""

_CAPITAL = re.compile(r"[A-Z]")
_REDACTED = "redacted."
_THOUGHT = "thought."
_SEALED_START = base64.b64encode(b"ccproxy.").decode()[:10]
"""How the base64 of a sealed signature begins; of the eleventh digit only some bits are known."""

SEALED = f'"{_SEALED_START}'.encode()
"""The same in a body: no upstream takes it as it came."""


def camel(key: str) -> str:
    """`function_call` as `functionCall`."""
    head, *rest = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


@lru_cache(maxsize=512)  # asked for every absent key of every chunk
def snake(key: str) -> str:
    """`functionCall` as `function_call`."""
    return _CAPITAL.sub(lambda capital: "_" + capital.group().lower(), key)


def spelled(raw: dict[str, JSON], known: frozenset[str]) -> tuple[dict[str, JSON], str]:
    """A copy of `raw` with its known keys in camelCase, and the names of those that were not, for `respell`."""
    fields: dict[str, JSON] = {}
    snakes: list[str] = []
    for key, value in raw.items():
        name = key if key in known else camel(key)
        if name != key and name in known and name not in raw and snake(name) == key:
            snakes.append(name)
            fields[name] = value
        else:
            fields[key] = value
    return fields, " ".join(snakes)


def respell(document: dict[str, JSON], shape: str) -> dict[str, JSON]:
    """`document` with the keys that `shape` names in snake_case."""
    if not shape:
        return document
    snakes = frozenset(shape.split())
    return {snake(key) if key in snakes else key: value for key, value in document.items()}


def either(raw: dict[str, JSON], key: str) -> JSON:
    """The value of a camelCase key that may be spelled in snake_case."""
    value = raw.get(key)
    return raw.get(snake(key)) if value is None else value


# ---------------------------------------------------------------------------------------------------------------------
# Signatures. `thoughtSignature` is a bytes field: its JSON is base64, and SDKs decode it, into either alphabet.


def wire_signature(signature: str, origin: str, thought: str = "") -> str:
    """A signature for a Gemini client. Another protocol's is sealed and put into base64, as SDKs demand. Its thought goes
    with it: clients send signatures back but leave thoughts out, and one without the other is refused by its maker."""
    if origin == NAME or not signature:
        return signature
    if thought:
        signature = _THOUGHT + jsontext.dumps_str([thought, signature])
    return base64.b64encode(seal(signature, origin, NAME).encode("utf-8", "surrogatepass")).decode()


def wire_redacted(data: str, origin: str) -> str:
    """A redacted thought of another protocol, carried where a signature stands."""
    return wire_signature(_REDACTED + data, origin)


def read_signature(text: str) -> Reasoning:
    """What stands behind a `thoughtSignature` that a Gemini client sent back: a signature, with its thought where that
    went with it, or redacted data."""
    sealed = _unsealed(text) if text.startswith(_SEALED_START) else None
    if sealed is None:
        return Reasoning(signature=text, origin=NAME)
    signature, origin = sealed
    if signature.startswith(_REDACTED):
        return Reasoning(redacted=signature.removeprefix(_REDACTED), origin=origin)
    thought, signature = _with_thought(signature)
    return Reasoning(thought, signature=signature, origin=origin)


def _unsealed(text: str) -> tuple[str, str] | None:
    """(what is sealed, origin); None for a signature that only looks like a sealed one."""
    plain = text.replace("-", "+").replace("_", "/")
    try:
        sealed = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeDecodeError):
        return None
    signature, origin = unseal(sealed, NAME)
    return None if origin == NAME else (signature, origin)


def _with_thought(signature: str) -> tuple[str, str]:
    """(thought, signature) of what was sealed; a client may have sent anything that begins like it."""
    if not signature.startswith(_THOUGHT):
        return "", signature
    try:
        said = jsontext.loads(signature.removeprefix(_THOUGHT))
    except jsontext.JSONError:
        return "", signature
    match said:
        case [str(thought), str(signed)]:
            return thought, signed
    return "", signature
