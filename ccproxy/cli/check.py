"""`ccproxy check`"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ccproxy.cli import options

if TYPE_CHECKING:
    from ccproxy.config import Config, Provider


@click.command("check")
@options.config_option
@click.option("--probe", is_flag=True, help="Ask each provider for its models, once with each of its keys.")
@options.json_option
def command(file: str | None, probe: bool, as_json: bool) -> None:
    """Validate the configuration. Exit code 1 when something is wrong."""
    from ccproxy.cli.show import configured, fail, located, table

    path = located(file)
    if as_json:
        raise SystemExit(_in_json(path, probe))
    config = configured(path)
    click.echo(f"{path}: {summary(config)}")
    if not probe:
        return
    questions = probes(config.providers)
    click.echo(f"asking {', '.join(config.providers)} ...", err=True)
    ask_all(questions)
    table(("provider", "key", "answer"), [(q.provider, q.key_name, q.outcome) for q in questions])
    for line in unlisted(config, questions):
        click.echo(f"note: {line}")
    failed = [q for q in questions if q.models is None]
    if failed:
        fail(
            f"{len(failed)} of {len(questions)} questions failed",
            advice="check base_url, api_keys and proxy of these providers",
        )


def _in_json(path: Path, probe: bool) -> int:
    """Everything as one document; returns the exit code."""
    from ccproxy.cli.show import in_json
    from ccproxy.config import load
    from ccproxy.errors import ConfigError

    try:
        config = load(path)
    except ConfigError as error:
        in_json({"file": str(path), "valid": False, "problems": list(error.problems)})
        return 1
    document: dict[str, Any] = {"file": str(path), "valid": True, "problems": []}
    document |= {"providers": list(config.providers), "groups": list(config.groups), "keys": list(config.keys)}
    questions = probes(config.providers) if probe else []
    if probe:
        ask_all(questions)
        document["answers"] = [
            {"provider": q.provider, "key": q.key_name, "ok": q.models is not None, "answer": q.outcome} for q in questions
        ]
        document["notes"] = unlisted(config, questions)
    in_json(document)
    return int(any(q.models is None for q in questions))


def summary(config: Config) -> str:
    """What a valid configuration amounts to."""
    counts = {"provider": len(config.providers), "group": len(config.groups), "proxy key": len(config.keys)}
    if config.mcp is not None:
        counts["MCP server"] = len(config.mcp.servers)
    parts = [f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items()]
    return f"valid; {', '.join(parts)}; {config.server.host} port {config.server.port}"


class Question:
    """One provider asked with one of its keys. After `ask`: `models` are the names that it lists, None when it failed."""

    def __init__(self, provider: str, settings: Provider, key: str, key_name: str) -> None:
        self.provider = provider
        self.key_name = key_name
        self.models: frozenset[str] | None = None
        self.outcome = "not asked"
        self._settings = settings
        self._key = key

    def __repr__(self) -> str:
        return f"<Question {self.provider} {self.key_name}: {self.outcome}>"

    async def ask(self) -> None:
        from ccproxy.app.models import ask
        from ccproxy.errors import CcproxyError, Unreachable

        try:
            listed = await ask(self._settings, self._key)
        except Unreachable as error:
            self.outcome = error.message
        except CcproxyError as error:
            self.outcome = f"{error.status}: {error.message}"
        else:
            self.models = frozenset(model.id for model in listed)
            self.outcome = f"{len(self.models)} model{'s' * (len(self.models) != 1)}"


def probes(providers: Mapping[str, Provider]) -> list[Question]:
    """One question for each provider and key."""
    return [
        Question(name, settings, key, f"{i} of {len(settings.api_keys)}" if settings.api_keys else "none")
        for name, settings in providers.items()
        for i, key in enumerate(settings.api_keys or ("",), 1)
    ]


def ask_all(questions: Sequence[Question]) -> None:
    """Asks all at the same time."""
    import anyio

    async def together() -> None:
        async with anyio.create_task_group() as group:
            for question in questions:
                group.start_soon(question.ask)

    anyio.run(together)


def unlisted(config: Config, questions: Sequence[Question]) -> list[str]:
    """Targets whose provider answered and does not list them: probably misspelt, though some lists are not complete."""
    known: dict[str, frozenset[str]] = {}
    for question in questions:
        if question.models:
            known[question.provider] = known.get(question.provider, frozenset()) | question.models
    return [
        f'group {name}, alias "{alias}": {target.provider} does not list "{target.model}"'
        for name, group in config.groups.items()
        for alias, targets in group.models.items()
        for target in targets
        if "*" not in target.model and target.model not in known.get(target.provider, frozenset((target.model,)))
    ]
