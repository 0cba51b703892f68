"""What a server's tools and prompts are called here, and which of them who sees. Pure.

    server "files", tool "read_file"  ->  files__read_file                 whatever else there is
                                      ->  read_file                        names = "bare", where nobody else has one

- A name depends on its server and on that server's own list only, so that it is the same tomorrow with ten servers more.
- Characters outside of what every model provider takes become `_`. Where that makes two names of one server the same, the
  changed one gets a hash of its own name.
- A name that is too long keeps its beginning and gets a hash of the whole.
- A bare name is never the only one: the long one is understood as well, for what a client has written down before another
  server with the same tool came.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

SEPARATOR = "__"
"""As Claude Code puts it between a server and a tool. No server's name has two underscores or ends with one."""

LONGEST = 50
"""Characters of a name. Model providers take 64 (OpenAI, Bedrock, Gemini 63); Claude Code puts `mcp__ccproxy__` before it,
Cursor counts the server's name (ccproxy) with the tool's up to 60."""

_HASH = 8
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def qualified(server: str, names: Sequence[str]) -> dict[str, str]:
    """What the things of one server that are called `names` are called here -> their own names, in their order."""
    plain = [_ODD.sub("_", name) for name in names]
    own = set(names)
    counts = Counter(plain)
    found: dict[str, str] = {}
    for name, word in zip(names, plain, strict=True):
        doubtful = word != name and (counts[word] > 1 or word in own)
        whole = f"{server}{SEPARATOR}{word}"
        if doubtful or not word or len(whole) > LONGEST:
            whole = f"{whole[: LONGEST - _HASH - 1]}_{_digest(f'{server}{SEPARATOR}{name}')}"
        found.setdefault(whole, name)
    return found


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


def listed(tables: Mapping[str, Mapping[str, str]], *, bare: bool, taken: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
    """What is listed -> (server, the name there). tables: `qualified` of each server. taken: names of tools without a
    server, which no bare name may be."""
    if not bare:
        return {name: (server, own) for server, table in tables.items() for name, own in table.items()}
    counts = Counter([*taken, *(own for table in tables.values() for own in table.values())])
    return {
        (own if _is_alone(own, counts) else name): (server, own)
        for server, table in tables.items()
        for name, own in table.items()
    }


def _is_alone(name: str, counts: Counter[str]) -> bool:
    return counts[name] == 1 and len(name) <= LONGEST and SEPARATOR not in name and not _ODD.search(name)


def allowed(name: str, allow: Sequence[str], deny: Sequence[str]) -> bool:
    """Whether a server's tool, by its name there, is offered. deny is the stronger one; an empty allow is everything."""
    return not _fits(name, deny) and (not allow or _fits(name, allow))


def in_set(server: str, name: str, words: Sequence[str] | None) -> bool:
    """Whether a group's `mcp` has the thing called `name` in full, of `server` ("" for none). None: every one. A word is a
    server's name or a pattern of full names."""
    return words is None or (bool(server) and _fits(server, words)) or _fits(name, words)


def serves(server: str, words: Sequence[str] | None) -> bool:
    """Whether a group's `mcp` has anything of the server."""
    prefix = server + SEPARATOR
    return words is None or any(fnmatchcase(server, word) or _may_begin(prefix, word) for word in words)


def _may_begin(prefix: str, pattern: str) -> bool:
    """Whether a name that begins with the prefix may fit the pattern."""
    literal = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return pattern.startswith(prefix) or (literal != pattern and prefix.startswith(literal))


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
