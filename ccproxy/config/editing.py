"""Changes of the configuration file that leave its comments, its order and its spelling as they are.

    edit(path, Put(("server", "active_group"), "qwen"), Remove(("keys", "old")))

The file is changed by tomlkit; the same changes are made to what tomllib reads, and the new text must then say just that,
or nothing is written: a file is never damaged, at worst left for its owner to change by hand.

tomlkit counts the comments above a table's head among the table before it, so that a new key would stand behind them. Here
they are moved to the head that they precede (`_attach`), where people read them: a new key follows its table's last
one, and a table that is removed takes along the comment right above its head, and nothing else.

A command that first looks into the file and then changes it does both within `alone`, so that of two commands at the same
moment the second one sees what the first has done.

Only commands import this module: the server reads its file and never writes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import dropwhile
from pathlib import Path
from typing import Any

import tomlkit
from attrs import frozen
from tomlkit import TOMLDocument
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, InlineTable, Item, Key, Table, Whitespace

from ccproxy.config import parsed
from ccproxy.errors import ConfigError

if sys.platform != "win32":
    import fcntl

__all__ = ["Edit", "Put", "Remove", "alone", "edit", "edited", "preview", "read"]

Keys = tuple[str, ...]
"""A way down the tables: `("groups", "qwen", "models")`."""


@frozen
class Put:
    """Gives `keys` this value: a text, a number, a flag, a list, or a table of these; adds what is missing on the way."""

    keys: Keys
    value: Any


@frozen
class Remove:
    """Takes `keys` out, which must be there."""

    keys: Keys


Edit = Put | Remove


def read(path: Path) -> dict[str, Any]:
    """What the file says, as TOML and nothing more: no `${VAR}` is read, so this works without the server's environment.
    Raises ConfigError when it cannot be read."""
    try:
        return parsed(_content(path)[0])
    except ConfigError as error:
        raise _in(path, error) from None


def preview(path: Path, *edits: Edit) -> str:
    """What the file would say after the changes. Raises ConfigError as `edit` does."""
    try:
        return edited(_content(path)[0], edits)
    except ConfigError as error:
        raise _in(path, error) from None


def edit(path: Path, *edits: Edit) -> bool:
    """Makes the changes in the file; returns whether it is another one now. Raises ConfigError, and leaves the file alone,
    when it cannot be read, written, or changed without losing something."""
    with alone(path):
        content, write = _content(path)
        try:
            changed = edited(content, edits)
        except ConfigError as error:
            raise _in(path, error) from None
        if changed == content:
            return False
        try:
            _replace(path.resolve(), write(changed))
        except OSError as error:
            raise ConfigError([f"{path}: cannot be written: {error.strerror}"]) from None
        return True


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Meanwhile no other command changes the file; each waits for its turn. What holds it may call `edit`."""
    folder = path.resolve().parent
    if folder in _held:
        yield
        return
    handle = _locked(folder)
    _held.add(folder)
    try:
        yield
    finally:
        _held.discard(folder)
        if handle is not None:
            os.close(handle)


_held: set[Path] = set()
"""Folders that this process has locked: the system would let it wait for itself."""


def _locked(folder: Path) -> int | None:
    """The folder, locked until it is closed, for each change puts another file in the file's place; None where the system
    cannot lock folders."""
    handle = None
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _in(path: Path, error: ConfigError) -> ConfigError:
    return ConfigError([f"{path}: {problem}" for problem in error.problems])


def edited(content: str, edits: Sequence[Edit]) -> str:
    """The text with the changes made, and all else as it was. Raises ConfigError when that cannot be done."""
    before = parsed(content)
    wanted = deepcopy(before)
    for change in edits:
        _on_plain(wanted, change)
    if wanted == before:
        return content
    try:
        document = _document(content)
        for change in edits:
            _on_document(document, change)
        text = tomlkit.dumps(document)
        text = text if content.startswith("\n") else text.lstrip("\n")
        right = _pruned(tomllib.loads(text), edits) == _pruned(wanted, edits)
    except (TOMLKitError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        right = False
    if not right:
        raise ConfigError(["cannot be changed without losing something"])
    return text


# ---------------------------------------------------------------------------------------------------------------------
# The file

_BOM = "\ufeff"
"""Windows' editors put it before the text."""


def _content(path: Path) -> tuple[str, Callable[[str], bytes]]:
    """The file's text with plain line ends, and what makes the file's bytes of another one."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text; save it as UTF-8"]) from None
    mark = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    lines = text.count("\n")
    if not lines or text.count("\r\n") != lines:
        return text, lambda changed: (mark + changed).encode()
    return text.replace("\r\n", "\n"), lambda changed: (mark + changed.replace("\n", "\r\n")).encode()


def _replace(place: Path, content: bytes) -> None:
    """In one step, so that nobody reads half of it; the file keeps its mode and, where the system allows, its owner."""
    was = place.stat()
    if not os.access(place, os.W_OK):  # the folder may be written to, but its owner said no
        raise PermissionError(errno.EACCES, "the file is read-only")
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if hasattr(os, "chown"):  # Windows has none
            with contextlib.suppress(PermissionError):
                os.chown(name, was.st_uid, was.st_gid)
        os.chmod(name, was.st_mode & 0o7777)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# ---------------------------------------------------------------------------------------------------------------------
# What the changes mean


def _on_plain(document: dict[str, Any], change: Edit) -> None:
    *way, last = change.keys
    table = document
    for key in way:
        table = table.setdefault(key, {}) if isinstance(change, Put) else table.get(key, {})
        if not isinstance(table, dict):
            raise ConfigError([f"{'.'.join(change.keys)}: cannot be set, for {key} is no table"])
    if isinstance(change, Put):
        table[last] = change.value
    elif last in table:
        del table[last]
    else:
        raise ConfigError([f"{'.'.join(change.keys)}: is not there"])


def _pruned(document: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """Without the empty tables that a removal may leave behind: `[a.b]` taken away, `a` is an empty table or none."""
    for change in edits:
        for depth in range(len(change.keys) - 1, 0, -1):
            *way, last = change.keys[:depth]
            table: Any = document
            for key in way:
                table = table.get(key, {}) if isinstance(table, Mapping) else {}
            if isinstance(table, dict) and table.get(last) == {}:
                del table[last]
    return document


# ---------------------------------------------------------------------------------------------------------------------
# The document as tomlkit has it


def _document(content: str) -> TOMLDocument:
    ended = content if content.endswith("\n") or not content else content + "\n"
    document = tomlkit.parse(ended)
    _append(document, _attach(document, ""))
    return document if tomlkit.dumps(document) == ended else tomlkit.parse(ended)


def _attach(container: Container, above: str) -> str:
    """Moves blank lines and comments from the end of each table to the next head, which prints them before itself. above:
    what precedes this container. Returns what is left over at its end."""
    for i, (key, item) in enumerate(container.body):
        if key is None and not any(map(_is_pair, container.body[i:])):
            above += item.as_string()
            container.body[i] = (None, Whitespace(""))
        for table in _tables(key, item):
            if _has_head(table):
                table.trivia.indent, above = above + table.trivia.indent, ""
            above = _attach(table.value, above)
    return above


def _tables(key: Key | None, item: Item) -> Iterator[Table]:
    """The tables that this is, in lines of their own: one by a dotted key is none."""
    if isinstance(item, AoT):
        yield from item.body
    elif isinstance(item, Table) and key is not None and not key.is_dotted():
        yield item


def _is_pair(entry: tuple[Key | None, Item]) -> bool:
    key, item = entry
    return key is not None and not isinstance(item, AoT) and next(_tables(key, item), None) is None


def _has_head(table: Table) -> bool:
    """Not so where it is only on the way to another, as a is in `[a.b]`."""
    return not table.is_super_table() or any(map(_is_pair, table.value.body))


def _heads(container: Container) -> Iterator[Table]:
    """The tables that have a head, as they stand in the text."""
    for key, item in container.body:
        for table in _tables(key, item):
            if _has_head(table):
                yield table
            yield from _heads(table.value)


def _append(document: TOMLDocument, text: str) -> None:
    if text:
        document.body.append((None, Whitespace(text)))


def _on_document(document: TOMLDocument, change: Edit) -> None:
    if isinstance(change, Put):
        _put(document, change)
    else:
        _remove(document, change.keys)


def _put(document: TOMLDocument, change: Put) -> None:
    *way, last = change.keys
    heads = {id(head) for head in _heads(document)}
    table: Any = document
    for key in way:
        if key not in table:
            table[key] = tomlkit.inline_table() if isinstance(table, InlineTable) else tomlkit.table()
        table = table[key]
    there = table.get(last)
    if isinstance(there, Array) and isinstance(change.value, list):
        _update(there, change.value)
    else:
        table[last] = _item(change.value, inline=isinstance(table, InlineTable))
    if there is None and isinstance(table, Table) and isinstance(new := table.value.item(last), Item):
        # tomlkit takes a space of the comment above the head for its indentation
        new.trivia.indent = table.trivia.indent.rpartition("\n")[2]
    for head in _heads(document):
        if id(head) not in heads:
            _set_apart(document, head)


def _item(value: Any, *, inline: bool) -> Any:
    """Tables within a new table stand in one line, so that what belongs together stays together."""
    if not isinstance(value, Mapping):
        return tomlkit.item(value)
    table: Any = tomlkit.inline_table() if inline else tomlkit.table()
    for key, inner in value.items():
        table[key] = _item(inner, inline=True)
    return table


def _update(array: Array, wanted: list[Any]) -> None:
    """Item by item, for each may have its comment."""
    for i in reversed(range(len(array))):
        if array[i] not in wanted:
            del array[i]
    if list(array) == wanted[: len(array)]:
        array.extend(wanted[len(array) :])
    else:
        array.clear()
        array.extend(wanted)


def _set_apart(document: TOMLDocument, head: Table) -> None:
    """A blank line before a new head, and before the one that follows it. Where its table was there, without pairs of its
    own, it takes the place of the first inner head, with what precedes that."""
    inner = next(_heads(head.value), None)
    if inner is not None:
        head.trivia.indent, inner.trivia.indent = inner.trivia.indent, "\n"
        head.trivia.comment = head.trivia.comment_ws = ""  # tomlkit gave it the inner one's
        return
    head.trivia.indent = "\0"
    before, _, _ = tomlkit.dumps(document).partition("\0")
    head.trivia.indent = "" if not before.strip() or before.endswith("\n\n") else "\n"
    _, *later = dropwhile(lambda one: one is not head, _heads(document))
    if later and not later[0].trivia.indent.startswith("\n"):
        later[0].trivia.indent = "\n" + later[0].trivia.indent


def _remove(document: TOMLDocument, keys: Keys) -> None:
    *way, last = keys
    before = list(_heads(document))
    table: Any = document
    for key in way:
        table = table[key]
    del table[last]
    kept = {id(head) for head in _heads(document)}
    above = ""
    for head in before:
        if id(head) in kept:
            head.trivia.indent, above = _joined(above, head.trivia.indent), ""
        else:
            above = _joined(above, _OWN_COMMENT.sub("", head.trivia.indent))
    if above.strip():
        rest = document.body.pop()[1].as_string() if document.body and document.body[-1][0] is None else ""
        _append(document, _joined(above, rest))


_OWN_COMMENT = re.compile(r"(?:^[ \t]*#[^\n]*\n)*[ \t]*\Z", re.MULTILINE)
"""The comment right above a head."""


def _joined(above: str, below: str) -> str:
    """With the blank lines of one of them between."""
    return above + (below.lstrip("\n") if above.endswith("\n\n") or above == "\n" else below)
