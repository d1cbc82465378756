"""Real tools of the catalogue read what `disable` and `enable` write, and judge it themselves.

They run in a network namespace without a route, so that nothing of them leaves the machine.
Run on demand: USAGECTL_E2E_TOOLS=1.
"""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.machine import run_usagectl

from .client_venv import find_node, find_or_make_node_tool
from .real_tools import installed, on_demand, python

SEALED = ("unshare", "--map-root-user", "--net", "--mount")

pytestmark = on_demand(*SEALED)


@dataclass(frozen=True)
class Real:
    """A real tool: how it is asked whether it sends, and what it says when it does not."""

    name: str
    command: Callable[[], Sequence[str]]
    off: str
    file: str  # Below the home, which is the working folder as well.
    before: bytes | None = None


def next_js() -> Sequence[str]:
    """Ask Next.js's own class for its consent."""
    storage = find_or_make_node_tool("next", "16.4.6") / "next/dist/telemetry/storage.js"
    code = (
        f"const {{Telemetry}} = require({json.dumps(str(storage))});"
        "console.log('telemetry ' + new Telemetry({distDir: '.next'}).isEnabled)"
    )
    return (str(find_node()), "-e", code)


def turbo() -> Sequence[str]:
    """Ask Turborepo's own command."""
    return (str(find_or_make_node_tool("turbo", "2.11.11") / ".bin/turbo"), "telemetry", "status")


REAL = (
    Real("next", next_js, "telemetry false", ".next/cache/config.json", b'{\n\t"a": 1\n}'),
    Real("turbo", turbo, "Disabled", ".config/turborepo/telemetry.json"),
    Real(
        "dvc",
        python("dvc", "3.67.1", "-c", "from dvc.analytics import is_enabled; print(is_enabled())"),
        "False",
        ".config/dvc/config",
        b"[core]\n    autostage = true\n",
    ),
    Real(
        "sam",
        python(
            "aws-sam-cli",
            "1.170.0",
            "-c",
            "from samcli.cli.global_config import GlobalConfig; "
            "print(GlobalConfig().telemetry_enabled)",
        ),
        "False",
        ".aws-sam/metadata.json",
        b'{"installationId": "x", "telemetryEnabled": true}',
    ),
    Real(
        "dlt",
        python(
            "dlt",
            "1.31.0",
            "-c",
            "import sys; sys.argv[1:] = ['telemetry']; from dlt._workspace.cli._dlt import _main; "
            "sys.exit(_main())",
        ),
        "DISABLED",
        ".dlt/config.toml",
        b"# mine\n[runtime]\nlog_level = 'WARNING' # n\n",
    ),
    Real(
        "streamlit",
        python(
            "streamlit",
            "1.67.0",
            "-c",
            "from streamlit import config; print(config.get_option('browser.gatherUsageStats'))",
        ),
        "False",
        ".streamlit/config.toml",
        b"[browser]\r\nserverPort = 1 # n",
    ),
)  # fmt: skip


@pytest.fixture(scope="module", params=REAL, ids=[each.name for each in REAL])
def tool(request: pytest.FixtureRequest) -> tuple[Real, Sequence[str]]:
    """Answer a tool that is installed, and its command; before a test's own home is made."""
    real: Real = request.param
    return real, installed(real.command)


def test_a_real_tool_reads_what_is_written(
    tool: tuple[Real, Sequence[str]], tmp_path: Path
) -> None:
    """It says off after disable, as before after enable; and so does status, each time."""
    real, command = tool
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "USAGECTL_STATE_DIR": str(tmp_path / "state"),
        "USAGECTL_CONFIG_DIR": str(tmp_path / "settings"),
    }
    file = tmp_path / real.file
    if real.before is not None:
        file.parent.mkdir(parents=True)
        file.write_bytes(real.before)

    def usagectl(*words: str) -> object:
        done = run_usagectl(*words, real.name, "--json", variables=variables, cwd=tmp_path)
        (found,) = json.loads(done.stdout)["data"]["tools"]
        return found["telemetry"]

    def says_off() -> bool:
        # Root's tools keep files in /var: here it is an empty one of this run alone.
        hidden = 'mount -t tmpfs tmpfs /var && exec "$@"'
        words = [*SEALED, "sh", "-c", hidden, "sh", *command]
        done = subprocess.run(
            words, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return real.off in done.stdout

    assert (says_off(), usagectl("status")) == (False, "on")
    before = file.read_bytes() if file.exists() else None
    assert usagectl("disable", "--project") == "off"
    assert (says_off(), usagectl("status")) == (True, "off")
    assert run_usagectl("enable", variables=variables, cwd=tmp_path).status == 0
    assert (file.read_bytes() if file.exists() else None) == before
    assert (says_off(), usagectl("status")) == (False, "on")
