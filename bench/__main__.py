"""`python -m bench SUITE...`, `python -m bench compare A.json B.json`, `python -m bench list`; see README.md."""

from __future__ import annotations

from pathlib import Path

import click

from bench import ASKED_FOR, SUITES
from ccproxy.cli.bench import only_of
from ccproxy.measure import report, running
from ccproxy.measure.results import Run
from ccproxy.measure.suite import Setting

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


class _Bench(click.Group):
    """A suite's name is as good as a command's: `python -m bench chunks` is `python -m bench run chunks`."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Bench, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measures ccproxy, compares runs and draws them.

    python -m bench SUITE... runs suites.
    """


@main.command()
@click.argument("names", metavar="SUITE...", type=click.Choice([*SUITES, "all"]), nargs=-1, required=True)
@click.option("--short", is_flag=True, help="As quickly as the numbers still mean something.")
@click.option("--rounds", type=click.IntRange(1), help="How many rounds; else what each suite thinks right.")
@click.option("--only", metavar="LABEL=VALUE", multiple=True, callback=only_of, help="Such measures only; * for any text.")
@click.option("--json", "json_path", type=_OUT, help="Write the run here too.")
@click.option("--html", "html_path", type=_OUT, help="Draw it here too.")
def run(
    names: tuple[str, ...],
    short: bool,
    rounds: int | None,
    only: dict[str, list[str]],
    json_path: Path | None,
    html_path: Path | None,
) -> None:
    """Run suites, or all of them but those that download what they measure."""
    chosen = [name for name in SUITES if name in names or ("all" in names and name not in ASKED_FOR)]
    suites = [running.load(name, SUITES) for name in chosen]
    found = running.run(suites, Setting(short=short, rounds=rounds, only=only))
    for line in report.told(found, suites):
        click.echo(line)
    if json_path:
        json_path.write_bytes(found.to_json())
    if html_path:
        from bench.page import page

        html_path.write_text(page(found))


@main.command("list")
def list_suites() -> None:
    """Name the suites."""
    for name in SUITES:
        try:
            title = running.load(name, SUITES).title
        except ImportError as error:
            title = f"(needs the bench extra: {error})"
        click.echo(f"{name:<10} {title}")


@main.command()
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
def compare(before: Path, after: Path) -> None:
    """Tell what moved beyond the noise between two runs."""
    from bench.compare import lines

    for line in lines(_read(before), _read(after)):
        click.echo(line)


@main.command()
@click.argument("runs", metavar="RUN.json...", type=_FILE, nargs=-1, required=True)
@click.option("--json", "json_path", type=_OUT, help="Write them here as one run.")
@click.option("--html", "html_path", type=_OUT, help="Draw them here.")
def draw(runs: tuple[Path, ...], json_path: Path | None, html_path: Path | None) -> None:
    """Put runs together, each suite from the last run that has it, and draw them."""
    from bench.compare import merged
    from bench.page import page

    found = merged([_read(path) for path in runs])
    if json_path:
        json_path.write_bytes(found.to_json())
    if html_path:
        html_path.write_text(page(found))


@main.command("hold")
@click.option("--record", is_flag=True, help="Write down what is measured now, after a change that is meant.")
def hold_ratios(record: bool) -> None:
    """Check that conversion costs no more than is written down in ratios.json."""
    from bench import hold

    found = hold.measured()
    if record:
        hold.write(found)
        return
    lines = hold.dearer(found, hold.read())
    for line in lines:
        click.echo(line, err=True)
    click.echo(f"{len(found)} multiples of the floor, {len(lines)} beyond {hold.MARGIN} times what is written down")
    raise SystemExit(bool(lines))


def _read(path: Path) -> Run:
    try:
        return Run.from_json(path.read_bytes())
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from None


if __name__ == "__main__":
    main(prog_name="python -m bench")
