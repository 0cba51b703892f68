"""JSON with comments and trailing commas, as VS Code and its kin write their files."""

from __future__ import annotations

import json
import re
from typing import Any

_STRING = r'"(?:\\.|[^"\\])*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)


def loads(text: str) -> Any:
    """The document. Raises ValueError, with the line where something is wrong: comments give way to as many lines."""
    plain = _COMMENT.sub(lambda m: m[1] or " " + "\n" * m[0].count("\n"), text.removeprefix("\ufeff"))
    try:
        return json.loads(_COMMA.sub(lambda m: m[1] or " ", plain))
    except RecursionError:
        raise ValueError("nested too deeply") from None
