from __future__ import annotations

from ccproxy.cli.guide import guide


def test_what_to_type_in_another_shell_and_what_to_enter_elsewhere() -> None:
    assert guide("qwen", "http://127.0.0.1:1/qwen", [], "bash") == [
        "In another shell:",
        "  ccproxy run qwen -- claude  a client there; or gemini, codex, qwen, opencode, aider, cline, crush, cn, ollama",
        '  eval "$(ccproxy env qwen)"  whatever else you start in that shell',
        "Elsewhere: base URL http://127.0.0.1:1/qwen/v1 for OpenAI's SDKs, http://127.0.0.1:1/qwen for Anthropic's, "
        "Google's and Ollama's; key: any",
    ]


def test_where_keys_are_needed_it_says_which() -> None:
    assert guide("qwen", "http://h:1", ["laptop", "ci"], "fish")[-1].endswith("; key: the token of laptop or ci")


def test_how_the_server_was_started_is_how_it_is_found() -> None:
    lines = guide("qwen", "http://h:1", [], "fish", " --port 1")
    assert lines[1].startswith("  ccproxy run --port 1 qwen -- claude ")
    assert lines[2].startswith("  ccproxy env --port 1 qwen | source ")
