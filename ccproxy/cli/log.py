"""`ccproxy log`"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import frozen

from ccproxy.cli import options

if TYPE_CHECKING:
    from ccproxy.app.traffic.reader import Entry

LOOK_SECONDS = 0.3
"""Between two looks at the file."""


@click.command("log")
@click.option("-n", "count", type=click.IntRange(0), default=5, show_default=True, help="Begin with the last N requests.")
@click.option("--group", shell_complete=options.groups, help="Only this group's.")
@click.option("--client", help="Only of this client: its protocol, its proxy key's name, or a part of its user agent.")
@click.option("--model", help="Only for this model, the client's name for it or the upstream's; * and ? may stand in it.")
@click.option("--id", "ids", help="Only the request whose id begins so.")
@click.option("--full", is_flag=True, help="Whole texts, all messages, tools with their schemas, headers.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on as requests come, until Ctrl-C.")
@click.option("--on", "switch", flag_value="on", help="Switch the traffic log on.")
@click.option("--off", "switch", flag_value="off", help="Switch it off.")
@options.config_option
def command(
    count: int,
    group: str | None,
    client: str | None,
    model: str | None,
    ids: str | None,
    full: bool,
    as_json: bool,
    follow: bool,
    switch: str | None,
    file: str | None,
) -> None:
    """Show the traffic log: what clients send, what goes upstream, what comes back.

    It is written while log_bodies is on; --on and --off change that in the file, and a running server follows within a
    second. Keys are masked in it."""
    from ccproxy.cli.show import located

    config = located(file)
    if switch is not None:
        _switch(config, on=switch == "on")
        return
    chosen = Chosen(group=group, client=client, model=model, id=ids)
    try:
        _show(config, chosen, count, _as_json if as_json else _as_text(config, full=full), follow=follow)
    except KeyboardInterrupt:
        return


def _switch(config: Path, *, on: bool) -> None:
    from ccproxy.cli.aim import followed
    from ccproxy.cli.show import fail
    from ccproxy.config.editing import Put, edit
    from ccproxy.errors import ConfigError

    try:
        edit(config, Put(("server", "log_bodies"), on))
    except ConfigError as error:
        fail(error.message, advice=f"write log_bodies = {str(on).lower()} into [server]")
    followed(config)
    if on:
        click.echo(f"the traffic log is on: prompts and answers go to {_settings(config)[1]}")
        click.echo("watch it: ccproxy log; switch it off: ccproxy log --off", err=True)
    else:
        click.echo("the traffic log is off; what it holds stays until you remove it")


def _settings(config: Path) -> tuple[bool, Path]:
    """Whether the log is on, and where it is. Not through `ccproxy.config.load`: this shell may lack the environment that
    the server was started with."""
    from ccproxy.cli.show import fail
    from ccproxy.config import traffic_file
    from ccproxy.config.editing import read
    from ccproxy.errors import ConfigError
    from ccproxy.tables import Spot, Wrong, text

    try:
        document = read(config)
    except ConfigError as error:
        fail(error.message, advice="see `ccproxy check`")
    server, settings = (_table(document, name) for name in ("server", "log"))
    try:
        said = text(settings.get("traffic", ""), Spot("", [], os.environ))
    except Wrong as wrong:
        fail(f"{config}: log.traffic: {wrong}", advice="see `ccproxy check`")
    return server.get("log_bodies") is True, traffic_file(said, os.environ, config.absolute().parent)


def _table(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = document.get(name)
    return table if isinstance(table, dict) else {}


def _show(config: Path, chosen: Chosen, count: int, tell: Callable[[Entry], str], *, follow: bool) -> None:
    from ccproxy.app.traffic.reader import Reader

    on, path = _settings(config)
    reader = Reader(path)
    entries = reader.last(count, chosen.wants)
    for entry in entries:
        click.echo(tell(entry))
    if not entries:
        click.echo(f"{path} has no such request" if path.exists() else f"there is no {path} yet", err=True)
    if not on:
        click.echo("the traffic log is off; switch it on: ccproxy log --on", err=True)
    elif not entries:
        click.echo("the traffic log is on: send a request through ccproxy", err=True)
    selection = Selection(chosen, {str(entry.get("id")) for entry in entries})
    while follow:
        for entry in selection.take(reader.more()):
            click.echo(tell(entry))
        time.sleep(LOOK_SECONDS)


def _as_json(entry: Entry) -> str:
    return entry.raw


def _as_text(config: Path, *, full: bool) -> Callable[[Entry], str]:
    from ccproxy.app.traffic.lines import Masks
    from ccproxy.cli.aim import Lenient
    from ccproxy.cli.transcript import Transcript
    from ccproxy.config import load
    from ccproxy.errors import ConfigError

    try:
        masks = Masks(load(config, Lenient()).secrets)
    except ConfigError:  # the log can be read all the same
        masks = Masks(())
    transcript = Transcript(full=full)
    # Masked once more: a key that a model says in pieces is whole only here.
    return lambda entry: f"{masks.value(transcript.told(entry))}\n"


@frozen(kw_only=True)
class Chosen:
    """Which requests are asked for; None: whatever it is."""

    group: str | None = None
    client: str | None = None
    model: str | None = None
    id: str | None = None

    def wants(self, entry: Entry) -> bool:
        return all(
            wanted is None or fits(entry, wanted)
            for wanted, fits in ((self.group, _group), (self.client, _client), (self.model, _model), (self.id, _id))
        )


def _group(entry: Entry, wanted: str) -> bool:
    return entry.get("group") == wanted


def _client(entry: Entry, wanted: str) -> bool:
    agent = str(entry.get("agent", "")).lower()
    return wanted in (entry.get("client"), entry.get("key")) or wanted.lower() in agent


def _model(entry: Entry, wanted: str) -> bool:
    known = [entry.get("model"), entry.get("upstream_model"), f"{entry.get('provider')}/{entry.get('upstream_model')}"]
    return any(fnmatchcase(str(name).lower(), wanted.lower()) for name in known if name)


def _id(entry: Entry, wanted: str) -> bool:
    return str(entry.get("id", "")).startswith(wanted)


_HELD = 256
"""Requests that may still turn out to be wanted: the upstream's name for a model comes with the second line."""


class Selection:
    """The entries of wanted requests as they come, each request from its first line on. known: ids that were shown."""

    def __init__(self, chosen: Chosen, known: set[str]) -> None:
        self._chosen = chosen
        self._known = known
        self._held: OrderedDict[str, list[Entry]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Selection {self._chosen} held={len(self._held)}>"

    def take(self, entries: Iterable[Entry]) -> list[Entry]:
        return [entry for each in entries for entry in self._taken(each)]

    def _taken(self, entry: Entry) -> list[Entry]:
        id = str(entry.get("id", ""))
        if id and id not in self._known:
            self._held.setdefault(id, []).append(entry)
            if not self._chosen.wants(entry):
                if len(self._held) > _HELD:
                    self._held.popitem(last=False)
                return []
            self._known.add(id)
        if entry.get("direction") == "to_client":
            self._known.discard(id)
        return self._held.pop(id, [entry])
