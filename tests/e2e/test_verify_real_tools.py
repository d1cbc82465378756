"""`usagectl verify` of real tools from the npm and Python indexes, sealed.

Run on demand: USAGECTL_E2E_TOOLS=1. With `-s` each prints its evidence, ready for its entry.
"""

import json
import os
from pathlib import Path

import pytest

from tests.support.machine import REPOSITORY, run_usagectl
from usagectl import catalogue

from .client_venv import ClientUnavailableError, find_or_make_newer_node, find_or_make_packages
from .real_tools import on_demand

TOOLS = (
    *("astro", "dagster", "deepeval", "dlt", "dvc", "huggingface", "kedro", "localstack", "mem0"),
    *("next", "redocly", "sam", "sqlmesh", "storybook", "turbo", "vercel", "wrangler"),
)

pytestmark = on_demand("unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork")


def programs(name: str) -> list[Path]:
    """Install a tool, and return the folders of its programs."""
    wanted = catalogue.entry(name).verify
    try:
        found = [find_or_make_packages(name, wanted.packages)]
        is_newer = any("Node.js" in each for each in wanted.needs)
        return [*found, find_or_make_newer_node()] if is_newer else found
    except ClientUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=TOOLS)
def tool(request: pytest.FixtureRequest) -> tuple[str, list[Path]]:
    """Answer a tool and the folders of its programs; installed before a test has its walls."""
    return request.param, programs(request.param)


def test_its_switches_keep_their_word(tool: tuple[str, list[Path]], tmp_path: Path) -> None:
    """It sends with telemetry on, and each switch does what `status` says of it."""
    name, folders = tool
    variables = {
        "PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"]),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
    }
    words = ("verify", name, "--quick", "--json")
    cwd = folders[0].parents[1] if folders[0].name == ".bin" else tmp_path
    done = run_usagectl(*words, variables=variables, cwd=cwd)
    data = json.loads(done.stdout)["data"]
    print(json.dumps(data["evidence"], indent=1))  # noqa: T201  (what a person runs it for)
    rows = {(each["kind"], each["switch"], each["value"]): each for each in data["rows"]}
    (on,) = (each for each in rows.values() if each["kind"] == "on")
    assert on["verdict"] == "keeps", done.stdout
    switches = [each for each in rows.values() if each["kind"] == "switch"]
    assert len(switches) >= 2, done.stdout
    assert [each for each in switches if each["verdict"] == "breaks"] == []
