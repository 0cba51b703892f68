"""A run on a terminal: the machine, the versions, the noise, and a table for each suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ccproxy.measure import machine, noise
from ccproxy.measure.results import Measure, Run, against_floor
from ccproxy.measure.suite import Suite, Table


def told(run: Run, suites: Iterable[Suite]) -> Iterator[str]:
    """Line by line."""
    yield f"machine   {machine.sentence(run.machine)}"
    yield f"versions  {', '.join(f'{name} {number}' for name, number in run.versions.items())}"
    yield f"noise     {noise.sentence(run.noise)}"
    for suite in suites:
        measures = run.of(suite.name)
        if measures:
            heads, rows = (suite.table or plain_table)(measures)
            yield from ("", suite.title, "")
            yield from columns(heads, rows)


def plain_table(measures: Sequence[Measure]) -> Table:
    """A row for each measure: its labels, the median, the spread, and the multiple of its floor where there is one."""
    names = list(dict.fromkeys(name for measure in measures for name in measure.labels))
    ratios = {m.key[:-1]: m.median for m in against_floor(measures)}
    rows = []
    for measure in measures:
        ratio = ratios.get(measure.key[:-1])
        labels = [measure.labels.get(name, "") for name in names]
        cells = [amount(measure.median, measure.unit), f"±{measure.spread / 2:.0%}"]
        rows.append([*labels, *cells, f"{ratio:.2f}x" if ratio is not None else ""])
    return [*names, "median", "spread", "of the floor" if ratios else ""], rows


def amount(value: float, unit: str) -> str:
    """Three digits that count, and the unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Text to the left, what begins with a digit to the right."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    numeric = [all(not row[i] or row[i][0] in "0123456789-±" for row in rows) and bool(rows) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        yield "  ".join(cells).rstrip()
