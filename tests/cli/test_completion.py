from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ccproxy.cli import main
from ccproxy.cli.completion import COMPLETION
from tests.cli.served import configuration

PROGRAM = Path(sys.executable).with_name("ccproxy")


@pytest.mark.parametrize("shell", COMPLETION)
def test_the_script(shell: str) -> None:
    if shell == "bash" and not shutil.which("bash"):
        pytest.skip("bash is not installed")
    said = CliRunner().invoke(main, ["completion", shell])
    assert said.exit_code == 0
    assert f"_CCPROXY_COMPLETE={shell}_complete" in said.stdout
    assert said.stderr == "", "only a person is told where it belongs"


def test_another_shell() -> None:
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 2


@pytest.mark.skipif(not (shutil.which("bash") and PROGRAM.exists()), reason="bash or the installed command is not there")
def test_in_a_real_bash(tmp_path: Path) -> None:
    env = {**os.environ, "CCPROXY_CONFIG": str(configuration(tmp_path)), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    script = """
        eval "$(ccproxy completion bash)"
        complete -p ccproxy > /dev/null || exit 1
        COMP_WORDS=(ccproxy env q); COMP_CWORD=2; _ccproxy_completion ccproxy; echo "${COMPREPLY[*]}"
        COMPREPLY=(); COMP_WORDS=(ccproxy ke); COMP_CWORD=1; _ccproxy_completion ccproxy; echo "${COMPREPLY[*]}"
    """
    told = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert (told.stdout, told.stderr) == ("qwen\nkeys\n", "")
