"""Tests of the library: its names, what an import costs, and that it is typed."""

from __future__ import annotations

import ast
import pydoc
import re
import subprocess
import sys
from importlib.resources import files

import pytest

import usagectl
from tests.support.machine import REPOSITORY, Machine
from tests.test_startup_modules import HEAVY
from usagectl._version import __version__


def test_public_names_resolve() -> None:
    """Each name of `__all__` is there, documented, and of one of our modules."""
    values = {name: getattr(usagectl, name) for name in usagectl.__all__ if name != "__version__"}
    assert [name for name, value in values.items() if not value.__doc__] == []
    modules = {name: value.__module__ for name, value in values.items()}
    assert [name for name in modules if not modules[name].startswith("usagectl.")] == []


def test_all_is_sorted_and_what_type_checkers_see() -> None:
    """The names for type checkers, those handed out on demand and `__all__` are the same."""
    tree = ast.parse((REPOSITORY / "usagectl" / "__init__.py").read_text())
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("usagectl")
        for alias in node.names
    }
    assert seen == set(usagectl.__all__) == set(usagectl._HOMES)  # noqa: SLF001
    assert sorted(usagectl.__all__) == usagectl.__all__


RECORDING = {
    *("aws_request", "cli_cmd", "close", "count", "dropped", "flush", "record", "run_init"),
}


def test_an_editor_sees_the_public_names_alone() -> None:
    """In `dir` and in `help`, whatever was imported before; each of a tracker is explained."""
    assert dir(usagectl) == usagectl.__all__
    told = pydoc.plain(pydoc.render_doc(usagectl.Tracker))
    listed = set(re.findall(r"^ \|  ([a-z]\w*)(?:\(|$)", told, re.MULTILINE))
    public = {name for name in dir(usagectl.Tracker) if not name.startswith("_")}
    assert public == RECORDING == listed
    assert [name for name in public if not getattr(usagectl.Tracker, name).__doc__] == []
    for kind in (usagectl.Kind, usagectl.Field):
        assert {name for name in dir(kind) if not name.startswith("_")} - {"index"} <= {
            *("name", "type", "description", "privacy", "choices", "is_list", "is_optional"),
            *("when", "fields", "is_counter", "schema", "count"),
        }


def test_what_recording_raises_is_exported() -> None:
    """Each error that the docstrings of recording, evaluating and switching name."""
    spoken = (usagectl.Tracker, usagectl.instrument, usagectl.evaluate, usagectl.disable)
    named = {
        error
        for each in (*spoken, *(getattr(usagectl.Tracker, name) for name in RECORDING))
        for error in re.findall(r"\b\w+Error\b", each.__doc__ or "")
    }
    strict = {"EventShapeError", "UndeclaredKindError", "TrackerClosedError"}
    assert (named - {"TypeError"}) | strict <= set(usagectl.__all__)
    errors = [getattr(usagectl, name) for name in usagectl.__all__ if name.endswith("Error")]
    assert [each for each in errors if not issubclass(each, usagectl.UsagectlError)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A slip is answered as Python answers it, so that `hasattr` and a from-import work."""
    assert not hasattr(usagectl, "no_such_name")
    with pytest.raises(AttributeError, match="module 'usagectl' has no attribute 'no_such_name'"):
        _ = usagectl.no_such_name  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        from usagectl import no_such_name  # type: ignore[attr-defined]  # noqa: F401


def test_an_import_loads_nothing(machine: Machine) -> None:
    """`import usagectl` loads none of its modules, and a verdict none that draws or sends."""
    driver = (
        "import sys; before = set(sys.modules); import usagectl;"
        "print(*sorted(set(sys.modules) - before));"
        "usagectl.evaluate(usagectl.current_environment()); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", driver],
        env=machine.process_variables(),
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert {name for name in first.split() if name.startswith("usagectl")} == {"usagectl"}
    assert set(first.split()) & HEAVY == set()
    loaded = set(second.split())
    assert "usagectl.consent" in loaded
    assert loaded & (HEAVY | {"typer", "click", "usagectl.cli"}) == set()


def test_the_library_answers_as_the_command_does(machine: Machine) -> None:
    """Values are returned and nothing is printed: the verdicts are those of `status`."""
    environment = machine.environment()
    assert [part.telemetry for part in usagectl.evaluate(environment, ["usagectl"])] == ["local"]
    assert usagectl.disable(environment, ["usagectl"]).consents[0].telemetry == "off"
    assert usagectl.enable(environment).consents[-1].telemetry == "local"
    with pytest.raises(usagectl.UnknownToolError):
        usagectl.evaluate(environment, ["nope"])
    for take in (usagectl.evaluate, usagectl.disable, usagectl.enable):
        with pytest.raises(usagectl.InvalidValueError, match=r"use \['usagectl'\]"):
            take(environment, "usagectl")


def test_the_package_is_typed() -> None:
    """A `py.typed` lies in the package, so that type checkers of users read its types."""
    assert files("usagectl").joinpath("py.typed").is_file()


def test_the_version_is_one(machine: Machine) -> None:
    """The library and the command name the same version, and it looks like one."""
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?[a-z]+\d*)?", __version__)
    assert usagectl.__version__ == __version__
    assert machine.run("--version").stdout == f"usagectl {__version__}\n"
