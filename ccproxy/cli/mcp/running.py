"""What the commands that speak with MCP servers share: the configuration they need, and how they run and fail."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ccproxy.cli.show import configured, fail, located, no_group

if TYPE_CHECKING:
    from ccproxy.config import Config

T = TypeVar("T")


def mcp_config(file: str | None, group: str, port: int | None) -> Config:
    """The configuration, or the end of the command where it has no `[mcp]`, or no such group."""
    if importlib.util.find_spec("mcp_types") is None:
        fail("the MCP SDK is not installed", advice="pip install 'ccproxy-llm[mcp]'")
    path = located(file)
    config = configured(path, port=port)
    if config.mcp is None:
        fail(f"{path} has no MCP servers", advice="add one: ccproxy mcp add NAME -- COMMAND, or --url URL")
    if group and group not in config.groups:
        no_group(group, list(config.groups))
    return config


def run(work: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Runs to its end. What MCP refuses ends the command."""
    import anyio
    import httpx2
    from mcp.shared.exceptions import MCPError

    logging.getLogger("ccproxy.mcp").setLevel(logging.CRITICAL)  # what went wrong is in the states
    try:
        return anyio.run(work, *arguments)
    except BaseExceptionGroup as group:
        error = _first(group)
    except (MCPError, httpx2.HTTPError) as single:
        error = single
    if isinstance(error, MCPError):
        fail(error.message)
    if isinstance(error, httpx2.HTTPError):
        fail("the connection to the ccproxy that runs broke off; a call may have taken effect")
    raise error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group of groups: task groups wrap what is raised within them."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
