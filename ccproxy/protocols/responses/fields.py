"""One object of a client's request, taken apart with its types checked."""

from __future__ import annotations

from typing import Any

from ccproxy.errors import RequestError
from ccproxy.model import JSON


class Fields:
    """Each method takes one member out of `rest`, or None where it is missing, null or (for text) empty; such a one stays
    there. So `rest` ends as what the model does not hold. Another type is a RequestError that names the member's path."""

    __slots__ = ("path", "rest")

    def __init__(self, value: JSON, path: str) -> None:
        if type(value) is not dict:
            raise RequestError(f"{path or 'the request'} must be an object", param=path or None)
        self.rest: dict[str, JSON] = dict(value)
        self.path = path

    def at(self, key: str | int) -> str:
        """The path of a member or an element."""
        if isinstance(key, int):
            return f"{self.path}[{key}]"
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, what: str) -> RequestError:
        return RequestError(f"{self.at(key)} must be {what}", param=self.at(key))

    def text(self, key: str) -> str | None:
        value: str | None = self._take(key, (str,), "a string") if self.rest.get(key) != "" else None
        return value

    def flag(self, key: str) -> bool | None:
        value: bool | None = self._take(key, (bool,), "a boolean")
        return value

    def whole(self, key: str) -> int | None:
        value: int | None = self._take(key, (int,), "an integer")
        return value

    def number(self, key: str) -> float | None:
        value: float | None = self._take(key, (int, float), "a number")
        return value

    def array(self, key: str) -> list[JSON] | None:
        value: list[JSON] | None = self._take(key, (list,), "an array")
        return value

    def object(self, key: str) -> dict[str, JSON] | None:
        value: dict[str, JSON] | None = self._take(key, (dict,), "an object")
        return value

    def string(self, key: str) -> str:
        """Text that must be there, and may be empty."""
        value: str | None = self._take(key, (str,), "a string")
        if value is None:
            raise self.wrong(key, "a string")
        return value

    def name(self, key: str) -> str:
        """Text that must be there and not be empty."""
        value = self.text(key)
        if value is None:
            raise self.wrong(key, "a string that is not empty")
        return value

    def _take(self, key: str, kinds: tuple[type, ...], what: str) -> Any:
        value = self.rest.get(key)
        if value is None:
            return None
        if type(value) not in kinds:
            raise self.wrong(key, what)
        return self.rest.pop(key)
