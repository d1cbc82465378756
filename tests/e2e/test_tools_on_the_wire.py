"""Real tools of the catalogue, before and after `disable` and `enable`, judged by what arrives.

Each is led to a recorder by a variable of its own, in a network namespace with nothing but
loopback: nothing can leave. Run on demand: USAGECTL_E2E_TOOLS=1.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.machine import run_usagectl

from . import recorder
from .client_venv import find_node, find_or_make_node_tool
from .real_tools import installed, on_demand, python

SEALED = (
    "unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child",
    "--mount-proc",
)  # fmt: skip
HERE = "http://{}:{}".format(*recorder.ADDRESS)

pytestmark = on_demand(*SEALED)


@dataclass(frozen=True)
class Real:
    """A real tool: the smallest command that sends, and what leads it to the recorder."""

    name: str
    command: Callable[[], Sequence[str]]
    leads: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)  # Below the home, the working folder.


def vercel() -> Sequence[str]:
    """Run Vercel's command, without a login."""
    folder = find_or_make_node_tool("vercel", "50.44.0")
    return (str(find_node()), str(folder / "vercel/dist/index.js"), "whoami")


DAGSTER = """
from dagster import DagsterInstance
from dagster._core.telemetry import log_action
from dagster._core.telemetry_upload import uploading_logging_thread
import time
with DagsterInstance.get() as instance:
    log_action(instance, "start")
with uploading_logging_thread():
    time.sleep(2)
"""

REAL = (
    Real(
        "huggingface",
        python(
            "huggingface_hub",
            "2.4.0",
            "-c",
            "from huggingface_hub.utils import send_telemetry as send; import time; send('x'); "
            "time.sleep(3)",
        ),
        {"HF_ENDPOINT": HERE},
    ),
    Real(
        "dvc",
        python("dvc", "3.67.1", "-m", "dvc", "version"),
        {"DVC_ANALYTICS_ENDPOINT": HERE, "PYTHONSAFEPATH": "1"},
    ),
    Real(
        "sam",
        python("aws-sam-cli", "1.170.0", "-m", "samcli", "validate", "--template", "t.yaml"),
        {"__SAM_CLI_TELEMETRY_ENDPOINT_URL": HERE, "AWS_DEFAULT_REGION": "us-east-1"},
        {"t.yaml": "Resources: {}\n"},
    ),
    Real(
        "dlt",
        python(
            "dlt",
            "1.31.0",
            "-c",
            "import dlt; dlt.pipeline('p', destination='dummy').run([{'a': 1}], table_name='t')",
        ),
        {"RUNTIME__DLTHUB_TELEMETRY_ENDPOINT": HERE},
        {".dlt/config.toml": "# mine\n"},
    ),
    Real("vercel", vercel, {"VERCEL_TELEMETRY_BRIDGE_URL": HERE}),
    Real(
        "dagster",
        python("dagster", "1.13.29", "-c", DAGSTER),
        {"DAGSTER_TELEMETRY_URL": HERE, "DAGSTER_HOME": "."},
    ),
)


@pytest.fixture(scope="module", params=REAL, ids=[each.name for each in REAL])
def tool(request: pytest.FixtureRequest) -> tuple[Real, Sequence[str]]:
    """Answer a tool that is installed, and its command; before a test's own home is made."""
    real: Real = request.param
    return real, installed(real.command)


def test_what_arrives_is_what_status_says(tool: tuple[Real, Sequence[str]], tmp_path: Path) -> None:
    """It sends before disable and after enable, and nothing between; status says so each time."""
    real, command = tool
    leads = {name: str(tmp_path) if to == "." else to for name, to in real.leads.items()}
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "USAGECTL_STATE_DIR": str(tmp_path / "state"),
        "USAGECTL_CONFIG_DIR": str(tmp_path / "settings"),
        **leads,
    }
    for name, text in real.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    def usagectl(*words: str) -> bytes:
        return run_usagectl(*words, variables=variables, cwd=tmp_path).stdout

    def status() -> object:
        (found,) = json.loads(usagectl("status", real.name, "--json"))["data"]["tools"]
        return found["telemetry"]

    def count() -> int:
        # Root's tools keep files in /var: here it is an empty one of this run alone.
        sealed = 'ip link set lo up && mount -t tmpfs tmpfs /var && exec "$@"'
        words = [sys.executable, recorder.__file__, str(tmp_path / "count"), *command]
        done = subprocess.run(
            [*SEALED, "sh", "-c", sealed, "sh", *words],
            env=variables, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (tmp_path / "count").exists(), done.stderr
        found = int((tmp_path / "count").read_text(encoding="utf-8"))
        print(real.name, status(), found, "requests")  # noqa: T201  (for a person, with -s)
        return found

    assert (count() > 0, status()) == (True, "on")
    usagectl("disable", "--project", real.name)
    if status() == "on":  # No file of the user's reaches it.
        opt_out = json.loads(usagectl("env", "--tool", real.name, "--json"))
        variables.update(opt_out["data"]["variables"])
    assert (count(), status()) == (0, "off")
    usagectl("enable", real.name)
    for name in set(variables) - {"PATH", "HOME", *leads}:
        if not name.startswith("USAGECTL_"):
            del variables[name]
    assert (count() > 0, status()) == (True, "on")
