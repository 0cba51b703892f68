"""Whether arguments fit a tool's schema.

A schema is compiled once. One that is no valid schema, or that refers to what is not in it, refuses nothing: the server
judges its own arguments. What is large is judged by a thread, for it would hold up every stream of the process.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import anyio
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

MOST_SCHEMAS = 2048
"""Compiled ones: thirty servers of many tools. A few KiB each."""

LONGEST = 300
"""Characters that are said of what does not fit."""


MOST_VALUES = 500
"""Of arguments that are judged at once: some milliseconds; a table of a hundred thousand rows takes seconds."""


class Schemas:
    def __init__(self) -> None:
        self._compiled: OrderedDict[int, tuple[dict[str, Any], Any]] = OrderedDict()  # by identity, the schema held

    async def wrong(self, schema: dict[str, Any], arguments: dict[str, Any]) -> str:
        """What does not fit and where; "" when all does."""
        validator = self._validator(schema)
        if validator is None:
            return ""
        if _are_many(arguments):
            return await anyio.to_thread.run_sync(_judged, validator, arguments, abandon_on_cancel=True)
        return _judged(validator, arguments)

    def _validator(self, schema: dict[str, Any]) -> Any:
        """None for what is no schema. MCP's default dialect is 2020-12."""
        key = id(schema)
        if key in self._compiled:
            self._compiled.move_to_end(key)
            return self._compiled[key][1]
        kind = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
            validator = kind(schema, registry=Registry())
        except (SchemaError, RecursionError):
            validator = None
        self._compiled[key] = schema, validator
        if len(self._compiled) > MOST_SCHEMAS:
            self._compiled.popitem(last=False)
        return validator


def _judged(validator: Any, arguments: dict[str, Any]) -> str:
    try:
        error = best_match(validator.iter_errors(arguments))
    except (Unresolvable, RecursionError):
        return ""
    if error is None:
        return ""
    where = ".".join(map(str, error.absolute_path))
    return f"{where}: {error.message}"[:LONGEST] if where else error.message[:LONGEST]


def _are_many(arguments: Any) -> bool:
    """Whether they have more than MOST_VALUES values in all."""
    waiting, left = [arguments], MOST_VALUES
    while waiting and len(waiting) <= left:
        value = waiting.pop()
        left -= 1
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return bool(waiting)
