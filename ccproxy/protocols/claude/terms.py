"""What requests and answers of this protocol have in common."""

from __future__ import annotations

from ccproxy.codec import jsontext
from ccproxy.model import JSON, Citation

NAME = "claude"


def arguments_of(input: JSON) -> str:
    """The JSON text of a call's input, whatever stands in the object's place: nothing is `{}`, text that is JSON is taken
    for the arguments themselves."""
    if not isinstance(input, str):
        return jsontext.dumps_str(input or {})
    try:
        jsontext.loads(input or "{}")
    except jsontext.JSONError:
        return jsontext.dumps_str(input)
    return input or "{}"


def read_citation(raw: JSON, start: int | None = None, end: int | None = None) -> Citation:
    """A citation of any type ("Citations"); `start` and `end` are its text's. A search result's `source` is often a URL."""
    said = raw if isinstance(raw, dict) else {}
    url = said.get("url") or said.get("source")
    title = said.get("title") or said.get("document_title")
    cited = said.get("cited_text")
    return Citation(
        NAME,
        raw,
        url if isinstance(url, str) and "://" in url else "",
        title if isinstance(title, str) else "",
        cited if isinstance(cited, str) else "",
        start,
        end,
    )
