"""What machine this is and which versions run, without anything that tells whose it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ccproxy-llm", "orjson", "attrs", "h11", "httpx", "httpcore", "httptools", "uvloop")


def machine() -> dict[str, Any]:
    """system, architecture, processor, cores and memory in GiB, as far as the system says."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory(),
        "virtual": "hypervisor" in _read("/proc/cpuinfo"),
    }


def versions() -> dict[str, str]:
    """Python's version, and those of the packages that matter here and are installed."""
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def sentence(told: dict[str, Any]) -> str:
    """The machine for people."""
    kind = " virtual machine" if told.get("virtual") else ""
    memory = f", {told['memory_gib']} GiB" if told.get("memory_gib") else ""
    return f"{told.get('processor')}{kind}, {told.get('cores')} cores{memory}, {told.get('system')}"


def _processor() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
