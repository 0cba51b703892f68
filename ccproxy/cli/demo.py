"""`ccproxy demo`"""

from __future__ import annotations

import json
import shlex

import click

QUESTION = "Say hello"


@click.command("demo")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; a loopback one.")
@click.option("--port", default=11434, show_default=True, type=click.IntRange(1, 65535), help="The port to listen on.")
@click.option("--fast", is_flag=True, help="Do not pace the words.")
def command(host: str, port: int, fast: bool) -> None:
    """Serve a built-in scripted model until Ctrl-C; no account and no network are needed.

    It streams text, thinks when asked to, calls a tool when the request has tools and the message asks for one, and reads
    the tool's result back.
    """
    import logging

    from ccproxy.app.access import is_loopback
    from ccproxy.app.demo import PACE, DemoApp
    from ccproxy.cli.serve import refused
    from ccproxy.cli.show import base_url, fail
    from ccproxy.protocols import PROTOCOLS
    from ccproxy.transport.on_asyncio import Server, run

    if not is_loopback(host):
        fail(f"{host} is no loopback address", advice="the demo has no keys, so it serves this machine only")
    logging.basicConfig(level="WARNING", format="%(levelname)s %(message)s")

    def on_ready(server: Server) -> None:
        click.echo(welcome(base_url(host, port)))

    app = DemoApp(host, port, next(iter(PROTOCOLS.values())), 0.001 if fast else PACE)
    try:
        run(app, host, port, on_ready=on_ready, grace_seconds=1.0)
    except OSError as error:
        message, advice = refused(error, host, port)
        fail(message, advice=advice.replace("ccproxy serve", "ccproxy demo").partition(", or for good")[0])


def welcome(url: str) -> str:
    """What to try, for each protocol."""
    lines = [f"ccproxy's demo listens on {url}; its model is scripted. Ctrl-C ends it. Try, in another shell:", ""]
    for title, line in curl_lines(url).items():
        lines += [f"# {title}", line, ""]
    lines += ["# Claude Code, if it is installed", f"ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN=any claude", ""]
    return "\n".join(lines)


def curl_lines(url: str) -> dict[str, str]:
    """Title -> a shell line that streams an answer, for each protocol."""
    said = [{"role": "user", "content": QUESTION}]
    requests = {
        "OpenAI chat completions": ("/v1/chat/completions", {"model": "demo", "stream": True, "messages": said}),
        "OpenAI Responses": ("/v1/responses", {"model": "demo", "stream": True, "input": QUESTION}),
        "Anthropic Messages": ("/v1/messages", {"model": "demo", "stream": True, "max_tokens": 500, "messages": said}),
        "Gemini generateContent": (
            "/v1beta/models/demo:streamGenerateContent?alt=sse",
            {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
        ),
        "Ollama chat": ("/api/chat", {"model": "demo", "messages": said}),
    }
    return {title: _curl(url + path, document) for title, (path, document) in requests.items()}


def _curl(url: str, document: object) -> str:
    return f"curl -sN {shlex.quote(url)} -H 'content-type: application/json' -d {shlex.quote(json.dumps(document))}"
