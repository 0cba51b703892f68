"""What a client's document must be: each check returns the value or raises RequestError with its place as `param`."""

from __future__ import annotations

from collections.abc import Container

from ccproxy.errors import RequestError
from ccproxy.model import JSON, Extras
from ccproxy.protocols.openai.terms import NAME


def an_object(value: JSON, where: str) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise RequestError(f"{where} must be an object", param=where)
    return value


def a_list(value: JSON, where: str) -> list[JSON]:
    if not isinstance(value, list):
        raise RequestError(f"{where} must be a list", param=where)
    return value


def a_text(value: JSON, where: str) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{where} must be a string", param=where)
    return value


def a_name(value: JSON, where: str) -> str:
    """A string that says something."""
    if not isinstance(value, str) or not value:
        raise RequestError(f"{where} must be a string that is not empty", param=where)
    return value


def a_text_or_nothing(value: JSON, where: str) -> str:
    return "" if value is None else a_text(value, where)


def a_number(value: JSON, where: str) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise RequestError(f"{where} must be a number", param=where)
    return value


def an_integer(value: JSON, where: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise RequestError(f"{where} must be an integer", param=where)
    return value


def a_flag(value: JSON, where: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{where} must be true or false", param=where)
    return value


def rest_of(raw: dict[str, JSON], known: Container[str]) -> dict[str, JSON]:
    """What the model has no place for: unknown members, and known ones that say nothing (null, "", [], {}), which are not
    written by themselves."""
    return {key: value for key, value in raw.items() if key not in known or value is None or value in ("", [], {})}


def extras_of(fields: dict[str, JSON], shape: str = "") -> Extras | None:
    return Extras(NAME, fields, shape) if fields or shape else None


def own(extras: Extras | None) -> Extras:
    """What this protocol said on an object; nothing where another did."""
    return extras if extras is not None and extras.origin == NAME else _NOTHING


_NOTHING = Extras(NAME)


def with_rest(document: dict[str, JSON], rest: dict[str, JSON]) -> dict[str, JSON]:
    """`document` and the members of `rest` that it does not have itself."""
    return {**document, **{key: value for key, value in rest.items() if key not in document}} if rest else document
