from __future__ import annotations

from ccproxy.cli.guide import CLIENTS, guide


def test_every_client_is_pointed_at_the_group() -> None:
    lines = guide("http://127.0.0.1:1/qwen", [])
    assert [line.split("  ")[0] for line in lines] == list(CLIENTS)
    assert all("http://127.0.0.1:1/qwen" in line for line in lines)
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:1/qwen ANTHROPIC_AUTH_TOKEN=any claude" in lines[0]


def test_where_keys_are_needed_it_says_which() -> None:
    lines = guide("http://h:1", ["laptop", "ci"])
    assert "ANTHROPIC_AUTH_TOKEN=KEY" in lines[0]
    assert lines[-1].startswith("KEY ")
    assert "laptop or ci" in lines[-1]
