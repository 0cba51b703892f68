"""The import rows of the house: what each module may import, and what must not stand in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "ccproxy"
PROTOCOL_NAMES = {"openai", "responses", "claude", "gemini", "ollama"}

MCP_SDK = {"httpx2", "jsonschema", "mcp", "mcp_types", "pydantic", "referencing", "starlette"}
"""The official MCP SDK and what its interface is made of."""

ROWS: list[tuple[str, int, set[str]]] = [
    # (module or package, its row, what it may import beside the standard library and ccproxy's lower rows)
    ("ccproxy.errors", -1, set()),
    ("ccproxy.codec", 0, {"orjson"}),
    ("ccproxy.model", 1, {"attrs"}),
    ("ccproxy.stream", 1, set()),
    ("ccproxy.schema", 1, {"attrs"}),
    ("ccproxy.turns", 1, {"attrs"}),
    ("ccproxy.media", 1, set()),
    ("ccproxy.notes", 1, set()),
    ("ccproxy.vectors", 1, set()),
    ("ccproxy.tokens", 1, set()),
    ("ccproxy.reasoning", 1, set()),
    ("ccproxy.tables", 1, {"attrs"}),
    ("ccproxy.prompts", 1, set()),
    ("ccproxy.protocols.naming", 2, set()),
    ("ccproxy.protocols.failures", 2, set()),
    ("ccproxy.protocols.streams", 2, set()),
    ("ccproxy.protocols.base", 2, {"attrs"}),
    ("ccproxy.policy", 2, {"attrs"}),
    ("ccproxy.transport.http1", 2, {"attrs"}),
    ("ccproxy.transport.heads_out", 2, set()),
    ("ccproxy.transport.body", 2, {"attrs", "zstandard", "brotli"}),
    ("ccproxy.transport.tunnel", 2, {"socksio", "attrs"}),
    ("ccproxy.transport.pool", 2, {"attrs"}),
    *[(f"ccproxy.protocols.{name}", 3, {"orjson", "attrs"}) for name in sorted(PROTOCOL_NAMES)],
    ("ccproxy.protocols", 4, set()),
    ("ccproxy.pump", 5, set()),
    ("ccproxy.turnwise", 5, {"attrs"}),
    ("ccproxy.config", 5, {"attrs"}),
    ("ccproxy.config.editing", 5, {"attrs", "tomlkit"}),
    ("ccproxy.conversion", 6, {"attrs"}),
    ("ccproxy.actions", 6, {"attrs"}),
    ("ccproxy.plans", 6, {"attrs"}),
    ("ccproxy.exchange", 7, {"attrs"}),
    ("ccproxy.convert", 7, {"attrs"}),
    ("ccproxy", 8, set()),
    ("ccproxy.transport.seam", 8, {"attrs"}),
    ("ccproxy.pages", 2, {"attrs", "trafilatura"}),
    ("ccproxy.mcp.builtin", 9, {"attrs", "httpx", "anyio", "mcp_types", "orjson"}),
    ("ccproxy.mcp", 9, {"anyio", "attrs", *MCP_SDK}),
    ("ccproxy.app", 10, {"attrs", "httpx", "anyio"}),
    ("ccproxy.transport", 9, {"anyio", "attrs"}),
    ("ccproxy.transport.on_asyncio", 11, {"uvloop", "attrs"}),
    ("ccproxy.transport.on_trio", 11, {"trio", "attrs"}),
    ("ccproxy.measure", 12, {"attrs", "click", "httpx", "orjson", "trustme", "uvloop"}),
    ("ccproxy.cli", 13, {"attrs", "click", "httpx", "anyio"}),
    ("ccproxy.cli.mcp", 14, {"anyio", "attrs", "click", "httpx", "httpx2", "mcp", "mcp_types"}),
    ("ccproxy.__main__", 15, set()),
]

ASYNC_FROM = 9
"""The first row with async code, clocks, sockets, randomness and logging."""

IMPURE = {"asyncio", "socket", "ssl", "selectors", "logging", "random", "secrets", "time", "threading", "subprocess"}
LIBRARY_EDGE = {"ccproxy.convert"}
"""Makes contexts for programs that have none, so it reads the clock and draws an id."""

ONLY_IN = {
    "asyncio": "ccproxy.transport.on_asyncio",
    "uvloop": "ccproxy.transport.on_asyncio",
    "trio": "ccproxy.transport.on_trio",
}


TESTED_ELSEWHERE = {
    "ccproxy": "test_convert.py has its names",
    "ccproxy.protocols": "test_matrix.py has every pair of it",
    "ccproxy.protocols.base": "only shapes",
    "ccproxy.actions": "only shapes",
    "ccproxy.config.settings": "test_config.py has every table of the file",
    "ccproxy.config.quirks": "test_config.py",
    "ccproxy.cli.mcp.calling": "test_reach.py has every command that speaks with servers",
    "ccproxy.cli.mcp.listing": "test_reach.py",
    "ccproxy.pages": "only shapes",
    "ccproxy.mcp.session": "test_http.py has sessions",
    "ccproxy.mcp.views": "test_endpoint.py has every handler",
    "ccproxy.config.checks": "test_config.py",
    "ccproxy.turnwise.kept": "test_turnwise.py has what is remembered, and for how long",
    "ccproxy.turnwise.pieces": "test_turnwise.py",
    "ccproxy.plans": "only shapes",
    "ccproxy.transport.seam": "only shapes",
}


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


MODULES = modules()
NAMES = {name for name, _ in MODULES}


def row_of(module: str) -> tuple[int, set[str]]:
    """The most specific row of the table."""
    fitting = [(name, row, allowed) for name, row, allowed in ROWS if module == name or module.startswith(name + ".")]
    if not fitting:
        pytest.fail(f"{module} has no row; give it one here and in the README's map")
    _, row, allowed = max(fitting, key=lambda entry: len(entry[0]))
    if module == "ccproxy":
        return next((row, allowed) for name, row, allowed in ROWS if name == "ccproxy")
    return row, allowed


def imports(path: Path, at_import_time: bool = False) -> list[str]:
    """Every module that the file imports; with `at_import_time` only those outside functions and TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    found: list[str] = []

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if at_import_time and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if isinstance(child, ast.Import):
                found.extend(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"{path} imports relatively; write the whole name"
                assert child.module is not None
                whole = [f"{child.module}.{alias.name}" for alias in child.names]
                found.extend(name if name in NAMES else child.module for name in whole)
            walk(child)

    walk(tree)
    return found


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_only_from_above(module: str, path: Path) -> None:
    row, allowed = row_of(module)
    for name in imports(path):
        top = name.partition(".")[0]
        if top == "ccproxy":
            theirs, _ = row_of(name)
            same_package = module.rpartition(".")[0] in (name, name.rpartition(".")[0]) or name.startswith(module + ".")
            assert theirs < row or (theirs == row and same_package), f"{module} (row {row}) imports {name} (row {theirs})"
        elif top not in sys.stdlib_module_names:
            assert top in allowed, f"{module} imports {top}"


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_no_io_below_the_app(module: str, path: Path) -> None:
    row, _ = row_of(module)
    tops = {name.partition(".")[0] for name in imports(path)}
    for library, home in ONLY_IN.items():
        if library in tops:
            assert module.startswith(home) or row >= 12, f"{module} imports {library}, which belongs to {home}"
    if row < ASYNC_FROM and module not in LIBRARY_EDGE:
        assert not tops & IMPURE, f"{module} imports {tops & IMPURE}"
        asynchronous = [
            n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, (ast.AsyncFunctionDef, ast.Await))
        ]
        assert not asynchronous, f"{module} has async code"


def protocol_words(path: Path) -> set[str]:
    """String constants that are a protocol's name, docstrings aside."""
    tree = ast.parse(path.read_text())
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in PROTOCOL_NAMES}


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_no_protocol_is_named_outside_its_folder(module: str, path: Path) -> None:
    row, _ = row_of(module)
    if module == "ccproxy.protocols" or module.startswith("ccproxy.config") or row >= 12:
        pytest.skip("the registry, the config and the command line may name protocols")
    own = {part for part in module.split(".") if part in PROTOCOL_NAMES}
    others = protocol_words(path) - own
    # `responses` and `openai` are also words of the protocols' own documents: `{"type": "function"}` has none of them.
    assert not others, f"{module} names {others}"


def test_the_library_pulls_in_no_runtime() -> None:
    code = (
        "import sys; import ccproxy, ccproxy.convert; "
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'asyncio', 'httpx', 'click', 'cattrs', 'uvloop', 'trio', 'rich', 'h11', 'anyio', 'logging'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_one_test_file_per_source_file() -> None:
    tests = Path(__file__).parent
    missing = []
    for name, path in MODULES:
        if not path.read_text().strip() or path.name == "__main__.py" or name in TESTED_ELSEWHERE:
            continue
        inner = path.relative_to(ROOT)
        stem = inner.parent.name if inner.name == "__init__.py" else inner.stem
        folder = tests / inner.parent
        candidates = [folder / f"test_{stem}.py", folder.parent / f"test_{stem}.py"]
        if not any(candidate.exists() for candidate in candidates):
            missing.append(name)
    assert not missing, f"no test file for {missing}"


def test_modules_and_functions_stay_small() -> None:
    long = []
    for module, path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > 60:
                    long.append(f"{module}.{node.name}: {length} lines")
    assert not long, "\n".join(long)


def test_protocol_names_are_the_registrys() -> None:
    from ccproxy.protocols import PROTOCOLS

    assert set(PROTOCOLS) == PROTOCOL_NAMES
    assert all(re.fullmatch(r"[a-z]+", name) for name in PROTOCOLS)
