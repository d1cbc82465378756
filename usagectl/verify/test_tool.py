"""Tests of a tool by the conformance kit: one for each rule, switch and command line.

$ python -m pytest --pyargs usagectl.verify --usagectl-conformance mytool.toml
"""

from __future__ import annotations

from pathlib import Path

import pytest

from usagectl.errors import UsagectlError
from usagectl.machine import environment
from usagectl.verify import Check, Kit, Spec, load, plan

OPTION = "--usagectl-conformance"
"""As `usagectl_pytest` declares it."""


def _spec(config: pytest.Config) -> Spec:
    file = config.getoption(OPTION)
    if file is None:
        message = f"{OPTION} FILE has to name the description of a tool"
        raise pytest.UsageError(message)
    try:
        return load(Path(config.invocation_params.dir, file))
    except UsagectlError as error:
        message = f"{error.message}\n\n{error.hint}"
        raise pytest.UsageError(message) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each check."""
    checks = plan(_spec(metafunc.config))
    metafunc.parametrize("check", checks, ids=[each.name for each in checks])


@pytest.fixture(scope="session")
def kit(request: pytest.FixtureRequest) -> Kit:
    """Make one kit for all checks, and run what they need side by side."""
    try:
        made = Kit(_spec(request.config), environment.from_process())
    except UsagectlError as error:
        raise pytest.UsageError(error.message) from error
    if not hasattr(request.config, "workerinput"):  # A worker of xdist runs a part of them.
        items = (item for item in request.session.items if isinstance(item, pytest.Function))
        calls = [item.callspec.params.get("check") for item in items if hasattr(item, "callspec")]
        checks = [call for call in calls if isinstance(call, Check)]
        _say(request.config, checks)
        made.prepare(checks)
    return made


def _say(config: pytest.Config, checks: list[Check]) -> None:
    """Say what the first check waits for: a tool that hangs can take minutes."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    if reporter is None or capture is None:
        return
    spec = _spec(config)
    lines = len({each.words for each in checks})
    with capture.global_and_fixture_disabled():
        reporter.write_line(
            f"\nrunning {lines} command lines of {spec.command[0]}, with each switch; a run that "
            f"does not end, or holds its output, is waited for {spec.timeout_seconds:g} s"
        )


def test_conformance(kit: Kit, check: Check) -> None:
    """Check one rule of the tool; an unproved one fails too."""
    result = kit.run(check)
    if result.outcome != "passed":
        pytest.fail(result.text, pytrace=False)
