"""Field failures that are not ours to test, each with the reason: they cannot happen in ccproxy, or DESIGN or the
provider's current documentation decides otherwise than the line."""

from __future__ import annotations

NOT_OURS: dict[str, str] = {}
