"""Tests of the list of tools, of what each says about itself, and of where tools are named."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import REPOSITORY
from usagectl import catalogue, tools
from usagectl.errors import UnknownToolError
from usagectl.tools import instrumented, opt_outs
from usagectl.tools.base import endpoint_caution, is_version
from usagectl.tools.instrumented import Registration
from usagectl.tools.registry import built_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.machine import Machine

PACKAGE = REPOSITORY / "usagectl"
SETTINGS_TABLE = ("settings.py", "localstack")
"""The one exception: a table of usagectl's own settings file has the name of a tool."""


def texts_in(file: Path) -> Iterator[str]:
    """Yield every text of a module but its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def imports_in(file: Path) -> Iterator[str]:
    """Yield the whole name of everything that a module imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


OWN_MODULES = ("localstack", "lstk", "instrumented")
"""How the modules of tools are called whose switches no form of the catalogue covers."""

SPOKEN_WITH = {"docker", "powershell"}
"""Tools that are an engine and a shell too, which code speaks with whatever they send."""


def outside() -> list[Path]:
    """List the modules that are no tool's own."""
    tools_dir = PACKAGE / "tools"
    return [
        file
        for file in PACKAGE.rglob("*.py")
        if file.parent != tools_dir or not file.stem.startswith(OWN_MODULES)
    ]


def test_no_tool_is_named_in_code_elsewhere() -> None:
    """Code neither compares nor looks up the name or the label of a client, but in its module.

    A text that only mentions a tool, as help does, is prose and stays.
    """
    clients = [tool for tool in built_in() if not tool.is_ours]
    names = {*catalogue.names()} - {"usagectl"} - SPOKEN_WITH
    names |= {tool.label(part) for tool in clients for part in tool.parts}
    assert names >= {"localstack", "lstk", "localstack cli", "lstk container", "next", "dlt"}
    wrong = [
        (file.name, text)
        for file in outside()
        for text in texts_in(file)
        if text.strip(" :/=") in names and (file.name, text) != SETTINGS_TABLE
    ]
    assert wrong == []


def test_no_tools_own_module_is_imported_elsewhere() -> None:
    """Everybody else asks a `Tool`; only what records through usagectl has a module to import."""
    own = {
        file.stem
        for file in (PACKAGE / "tools").glob("*.py")
        if file.stem.startswith(OWN_MODULES[:2])
    }
    assert len(own) >= 2
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in outside()
        if file.parent != PACKAGE / "tools"
        for name in imports_in(file)
        if name.startswith("usagectl.tools.") and name.split(".")[2] in own
    ]
    assert wrong == []


def test_tools_are_loaded_in_the_order_of_the_list(machine: Machine) -> None:
    """The catalogue names the modules; a selection keeps that order, whatever was asked first."""
    assert tools.names() == ("localstack", "lstk", "usagectl")
    chosen = tools.select(machine.environment(), ["usagectl", "lstk"])
    assert [tool.name for tool in chosen] == ["lstk", "usagectl"]
    assert [tool.name for tool in tools.emitters(machine.environment())] == ["usagectl"]


def test_an_unknown_tool_is_refused(machine: Machine) -> None:
    """The error lists the tools that are known, registered ones too."""
    instrumented.register(machine.environment(), Registration("mytool"))
    with pytest.raises(UnknownToolError, match=r"It knows \d+ tools"):
        tools.select(machine.environment(), ["no-such-tool"])


def test_the_opt_out_variables_are_those_of_all_tools() -> None:
    """What `env` and `run` set is put together from what each tool names."""
    every = opt_outs.opt_out_variables()
    wanted = {
        "DISABLE_EVENTS": "1",
        "LOCALSTACK_DISABLE_EVENTS": "1",
        "DO_NOT_TRACK": "1",
        "USAGECTL_TELEMETRY": "off",
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    assert every.items() >= wanted.items()


def test_the_sender_of_a_request_is_found() -> None:
    """A tool is known by its user agent, and where events have its prefix, by their names."""
    cases = {
        ("session", "localstack/4.12.0"): "localstack",
        ("lstk_command", "localstack lstk/dev (linux; amd64)"): "lstk",
        ("odd", "localstack lstk/dev (linux; amd64)"): "lstk",
        ("lstk_command", ""): "lstk",
        ("cli_cmd", "usagectl/1"): "usagectl",
        ("cli_cmd", "curl/8"): "unknown",
        ("cli_cmd", ""): "unknown",
    }
    assert {case: tools.sender_of([case[0]], case[1]) for case in cases} == cases


def test_what_is_a_version() -> None:
    """The forms that LocalStack publishes are versions; nothing else gets into a shown header."""
    good = ("4.12.0", "1.0.5.dev", "2026.8.2", "4.13.0rc1")
    bad = ("", "x", "4.12.0 rubbish", "4.12.0\n", "4..1")
    assert [text for text in good if not is_version(text)] == []
    assert [text for text in bad if is_version(text)] == []


def test_an_endpoint_that_cannot_be_used_is_said() -> None:
    """An empty endpoint and an invalid one have different next steps; a good one has none."""
    assert endpoint_caution("t", "http://h/v1", variable="X") is None
    missing = endpoint_caution("t", "", variable="X")
    invalid = endpoint_caution("t", "ftp://h", variable="X")
    codes = [(each.code, each.hint) for each in (missing, invalid) if each]
    assert codes == [
        ("endpoint-missing", "usagectl spool show --raw --tool t"),
        ("endpoint-invalid", "unset X"),
    ]
