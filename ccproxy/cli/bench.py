"""`ccproxy bench`: what conversion and the way through the proxy cost on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from ccproxy.measure import SUITES


def only_of(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, list[str]]:
    """`--only client=claude --only kind=t*` as `Setting.only`."""
    found: dict[str, list[str]] = {}
    for word in given:
        name, equals, glob = word.partition("=")
        if not equals:
            raise click.BadParameter(f"{word!r} is no LABEL=VALUE")
        found.setdefault(name, []).append(glob)
    return found


@click.command("bench")
@click.argument("names", metavar="[SUITE]...", type=click.Choice(list(SUITES)), nargs=-1)
@click.option("--short", is_flag=True, help="As quickly as the numbers still mean something.")
@click.option("--rounds", type=click.IntRange(1), help="How many rounds; else what each suite thinks right.")
@click.option("--only", metavar="LABEL=VALUE", multiple=True, callback=only_of, help="Such measures only; * for any text.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the run here too.")
def command(
    names: tuple[str, ...], short: bool, rounds: int | None, only: dict[str, list[str]], json_path: Path | None
) -> None:
    """Measure what ccproxy costs on this machine; no account, no network.

    Without SUITE, all of them. Times on a shared machine are noisy: quote the multiples of the floor.
    """
    from ccproxy.measure import report, running
    from ccproxy.measure.suite import Setting

    suites = [running.load(name, SUITES) for name in names or SUITES]
    found = running.run(suites, Setting(short=short, rounds=rounds, only=only))
    for line in report.told(found, suites):
        click.echo(line)
    if json_path:
        json_path.write_bytes(found.to_json())
