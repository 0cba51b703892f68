"""Field failures that are not ours to test, each with the reason: they cannot happen in ccproxy, or DESIGN or the
provider's current documentation decides otherwise than the line."""

from __future__ import annotations

NOT_OURS: dict[str, str] = {
    "F214": "optional in the list, and against F212: DESIGN 3 holds the head until the first event that is no error, and "
    "`response.created` is one; what fails behind it is told in the stream (tests in section J say so)",
    "F248": "DESIGN 4: another maker's server tools are left out, their text and sources stay (a test in section K says "
    "so); a result block of Claude's cannot be made up, since its `encrypted_content` is Claude's own",
    "F250": "no converter makes a web search tool of Claude's, so none can put empty domain lists in it; what a Claude "
    "client sends to Claude passes as it is (DESIGN 5)",
}
