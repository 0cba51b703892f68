"""Errors that an upstream sends, in whatever shape, and how long it says to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ccproxy.codec import jsontext
from ccproxy.errors import UpstreamError
from ccproxy.model import JSON


def read_error(origin: str, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> UpstreamError:
    """The error behind an upstream's non-2xx answer: JSON of any known shape, plain text or HTML. Never raises.

    Shapes seen: `{"error": {message, type, code, status, param}}`, `{"error": "..."}`, `{"message": ...}`,
    `{"detail": ...}` (FastAPI), a list of one of these (Gemini), text, HTML. `headers` are those of the answer.
    """
    try:
        document = jsontext.loads(body) if body.strip() else None
    except jsontext.JSONError:
        document = None
    if isinstance(document, (dict, list)):
        return error_from_document(origin, status, document, headers)
    text = _plain(body)
    return UpstreamError(text or f"the upstream answered with status {status}", status=status, **_from_headers(headers))


def error_from_document(origin: str, status: int, document: JSON, headers: Sequence[tuple[str, str]] = ()) -> UpstreamError:
    """The same for a document that is decoded already, as in a stream. `status` is used as it is."""
    outer = document[0] if isinstance(document, list) and document else document
    outer = outer if isinstance(outer, dict) else {"message": outer}
    inner = outer.get("error", outer)
    body: dict[str, Any] = inner if isinstance(inner, dict) else {"message": inner}
    message = next((m for m in (body.get(k) for k in _MESSAGE_KEYS) if m), None) or next(
        (m for m in (outer.get(k) for k in _MESSAGE_KEYS) if m and not isinstance(m, dict)), None
    )
    code = next((c for c in (body.get("code"), body.get("type"), body.get("status"), outer.get("code")) if c), None)
    param = body.get("param")
    about = _from_headers(headers)
    if "retry_after" not in about and (wait := _told_delay(body)) is not None:
        about["retry_after"] = wait
    return UpstreamError(
        message if isinstance(message, str) else jsontext.dumps_str(message or document),
        status=status,
        code=None if code is None else str(code),
        param=param if isinstance(param, str) else None,
        origin=origin,
        raw=document,
        **about,
    )


_MESSAGE_KEYS = ("message", "detail", "error", "msg", "title")
_TAG = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TEXT_LIMIT = 2_000
"""Characters of a text or HTML error that a client is shown; a proxy's error page can be long and says little more."""


def _plain(body: bytes) -> str:
    text = body[: 8 * _TEXT_LIMIT].decode("utf-8", "replace")
    return " ".join(_TAG.sub(" ", text).split())[:_TEXT_LIMIT]


_RATE_LIMIT = ("x-ratelimit-", "anthropic-ratelimit-")
_REQUEST_IDS = frozenset({"request-id", "x-request-id"})


def _from_headers(headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kept = [(n, v) for n, v in headers if n in _REQUEST_IDS or n == "retry-after" or n.startswith(_RATE_LIMIT)]
    if kept:
        found["headers"] = kept
    wait = _wait(dict(headers))
    if wait is not None:
        found["retry_after"] = wait
    return found


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before asking again: `retry-after-ms`, which OpenAI and Azure send and the SDKs heed first, else
    `retry-after`, which may be a date (RFC 9110, section 10.2.3); the answer's own `date` tells what time it was there."""
    said, finer = headers.get("retry-after", ""), headers.get("retry-after-ms", "")
    for text, unit in ((finer, 1000.0), (said, 1.0)):
        if _NUMBER.fullmatch(text.strip()):
            return float(text) / unit
    if not said:
        return None
    from email.utils import parsedate_to_datetime  # hardly anybody sends a date

    try:
        until, sent = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):  # no dates, or one of them without a zone
        return None


_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")
_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)s")


def _told_delay(body: Mapping[str, Any]) -> float | None:
    """Google says the wait in the error itself (google.rpc.RetryInfo), and in no header."""
    details = body.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (match := _DELAY.fullmatch(delay)):
            return float(match[1])
    return None
