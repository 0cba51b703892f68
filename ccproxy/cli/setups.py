"""From GROUP and a client to what the client needs, for `ccproxy env` and `ccproxy run`."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from attrs import evolve

from ccproxy.cli.aim import Absent, Aim, Refused, aim, ask, model_for, names, relaxed
from ccproxy.cli.clients import Client, Point, Setup, setup
from ccproxy.cli.init import write
from ccproxy.cli.show import fail, located
from ccproxy.config import user_folder


def written(
    group: str, client: Client, *, file: str | None, model: str, key_name: str, port: int | None, running: bool = False
) -> tuple[Aim, Setup]:
    """What the client needs at the group, with the file that it may need in its place; or the end of the command. running:
    there has to be a server."""
    path = located(file)
    config = relaxed(path)
    aimed = aim(config, group, key_name=key_name, port=port)
    listed: tuple[str, ...] = ()
    if running:
        listed = _served(aimed, path)
    elif client.needs_model or client.inline or client.file:
        with contextlib.suppress(Absent, Refused):
            listed = ask(aimed.url, aimed.key)
    known = tuple(dict.fromkeys([*names(config, aimed.group), *listed]))
    model = model or model_for(client, config, aimed.group, known)
    point = Point(url=aimed.url, key=aimed.key, models=known, model=model)
    made = setup(client, point, user_folder(os.environ) / "clients" / re.sub(r"[^\w.-]", "-", group), os.environ)
    made = evolve(made, variables={**made.variables, **_past_proxies(aimed.url)})
    if made.file:
        place, content = made.file
        try:
            write(place, content)
        except OSError as error:
            fail(f"{place} cannot be written: {error.strerror}", advice=f"{client.title} needs that file")
    return aimed, made


def _past_proxies(url: str) -> dict[str, str]:
    """Where this shell sends HTTP through a proxy: that clients reach ccproxy without it. Some programs read the names in
    upper case, some in lower case."""
    if not any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
        return {}
    host = urlsplit(url).hostname or ""
    past = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = [word.strip() for word in past.split(",") if word.strip()]
    return {} if host in hosts or "*" in hosts else dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join([*hosts, host]))


_FOLLOWED = 3.0
"""Seconds in which a running server has followed a change of its file: it looks twice a second, until the file rests."""


def _served(aimed: Aim, path: Path) -> tuple[str, ...]:
    """The names that the server lists. One that refuses a file of just now is given the time to follow."""
    try:
        while True:
            try:
                return ask(aimed.url, aimed.key)
            except Refused:
                if time.time() - path.stat().st_mtime > _FOLLOWED:
                    raise
                time.sleep(_FOLLOWED / 10)
    except Absent as error:
        fail(str(error), advice="start it in another shell: ccproxy serve (if it runs on another port: --port)")
    except Refused as error:
        fail(f"{aimed.url}: {error}", advice="is that server run with this file? `ccproxy check` tells which one is read")
