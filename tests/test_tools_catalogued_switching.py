"""Tests of switching tools of the catalogue in their own files: off, read back, and undone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import confined
from tests.support.tool_files import NEXT, put, tree
from usagectl import catalogue, consent, switching
from usagectl.catalogue.entry import Entry
from usagectl.machine import files
from usagectl.tools import catalogued_cautions as cautions
from usagectl.tools import file_values, forms, places, undoing
from usagectl.tools.catalogued_switching import Asked, switch, target_of, with_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.machine import Machine
    from usagectl.catalogue.entry import File
    from usagectl.switching import SwitchResult
    from usagectl.tools.base import Wish

ROUND_TRIPS: tuple[tuple[str, str, bytes | None, bytes], ...] = (
    # The tool, its file below the home (or, with ./, in the project), its bytes, and when off.
    ("next", NEXT, b'{\n\t"telemetry": {\n\t\t"anonymousId": "a1"\n\t}\n}',
     b'{\n\t"telemetry": {\n\t\t"anonymousId": "a1",\n\t\t"enabled": false\n\t}\n}'),
    ("sam", ".aws-sam/metadata.json", b'{"installationId": "i", "telemetryEnabled": true}',
     b'{"installationId": "i", "telemetryEnabled": false}'),
    ("wrangler", ".config/.wrangler/metrics.json", None,
     b'{\n  "permission": {\n    "date": "2026-11-28T00:00:00.000Z",\n    "enabled": false\n  }\n}\n'),  # noqa: E501
    ("streamlit", ".streamlit/config.toml", b"# mine\r\n[browser]\r\nserverPort = 1 # n\r\n",
     b"# mine\r\n[browser]\r\nserverPort = 1 # n\r\ngatherUsageStats = false\r\n"),
    ("yarn", ".yarnrc.yml", b"\xef\xbb\xbf# mine\nnodeLinker: 'x' # n\nenableTelemetry: true # n",
     b"\xef\xbb\xbf# mine\nnodeLinker: 'x' # n\nenableTelemetry: false # n"),
    ("dvc", ".config/dvc/config", b"; mine\n[core]\n\tremote = r\n['remote \"r\"']\n\turl = u",
     b"; mine\n[core]\n\tremote = r\n\tanalytics = false\n['remote \"r\"']\n\turl = u"),
    ("chromadb", "./.env", b"# mine\r\nexport TOKEN='a b'", b"# mine\r\nexport TOKEN='a b'\r\nANONYMIZED_TELEMETRY=false"),  # noqa: E501
    ("guardrails", ".guardrailsrc", b"id=1\nenable_metrics=true\n", b"id=1\nenable_metrics=false\n"),  # noqa: E501
    ("go", ".config/go/telemetry/mode", b"on 2024-05-01\n", b"off\n"),
    ("vllm", ".config/vllm/do_not_track", None, b""),
    ("syncthing", ".local/state/syncthing/config.xml",
     b"<configuration>\r\n  <options>\r\n    <a/>\r\n  </options>\r\n</configuration>",
     b"<configuration>\r\n  <options>\r\n    <a/>\r\n    "
     b"<crashReportingEnabled>false</crashReportingEnabled>\r\n  </options>\r\n</configuration>"),
    ("redocly", "./redocly.yaml", b"apis:\n  a:\n    root: x\n", b'apis:\n  a:\n    root: x\ntelemetry: "off"\n'),  # noqa: E501
)  # fmt: skip

SYNTHETIC: dict[str, Any] = {
    "name": "sample",
    "title": "Sample",
    "summary": "x",
    "how": "source",
    "version": "1",
    "date": "2026-11-28",
    "source": "x",
    "default": "on",
}


def entry_of(form: str, **rule: object) -> Entry:
    """Build an entry with one file in the home and one switch in it."""
    file = {"name": "f", "format": form, "places": [{"path": "~/deep/er/file"}]}
    return Entry({**SYNTHETIC, "file": [file], "switch": [{"file": "f", **rule}]})


def state_of(machine: Machine, tool: str) -> str:
    """Say what the verdict on a tool is."""
    return consent.evaluate(machine.environment(), [tool])[0].telemetry


def test_off_and_back_to_the_byte(machine: Machine) -> None:
    """Each format: the file says off, and so does the verdict; enable brings the old bytes back."""
    for tool, name, before, off in ROUND_TRIPS:
        file = put(machine, name, before)
        machine.home.joinpath(".aws-sam").mkdir(exist_ok=True)
        folders = tree(machine.home)
        project = name.startswith("./")
        result = switching.disable(machine.environment(), [tool], project=project)
        assert (tool, result.problems, file.read_bytes()) == (tool, (), off)
        assert state_of(machine, tool) == "off"
        again = switching.disable(machine.environment(), [tool], project=project)
        assert not any(change.changed for change in again.changes)
        assert not switching.enable(machine.environment()).problems
        assert (tool, file.read_bytes() if file.exists() else None) == (tool, before)
        assert tree(machine.home) == folders
        assert not undoing.recorded(machine.environment())


def test_every_tool_whose_file_is_written_is_off_and_comes_back(machine: Machine) -> None:
    """The whole catalogue, on a machine without any of the files."""
    machine.variables = {"DAGSTER_HOME": str(machine.home), "APP_ENV": "x"}
    before, wrong = tree(machine.folder), []
    for name in catalogue.names():
        if catalogue.entry(name).module:
            continue
        result = switching.disable(machine.environment(), [name], project=True)
        verdict = state_of(machine, name)
        if result.changes and (verdict not in ("off", "local") or result.problems):
            wrong.append((name, verdict, result))
        switching.enable(machine.environment())
        left = set(tree(machine.folder)) - set(before) - {"state"}
        wrong += [(name, each, result) for each in sorted(left)]
    assert not wrong


OTHERS: dict[str, bytes] = {
    # What else stands in a file of each format, with line ends and marks that have to stay.
    "json": b'\xef\xbb\xbf{\r\n\t"a": {"id": [1, "x"]},\r\n\t"z": null\r\n}',
    "toml": b"\xef\xbb\xbf# mine\r\na = 'x' # n\r\n[z] # n\r\nid = [1,\r\n 2]",
    "yaml": b"\xef\xbb\xbf# mine\r\na: 'x'  # n\r\nz:\r\n    id: [1,\r\n      2]",
    "ini": b"; mine\r\n[a]\r\n    id=1\r\n\r\n[z]\r\n    id: 2\r\n",
    "dotenv": b"# mine\r\nexport A='x y' # n\r\nZ=1",
    "key-value": b"# mine\r\na = 1\r\nz = 2",
    "xml": b"<configuration>\r\n    <!-- mine --><id>1</id>\r\n</configuration>",
    "text": b"on 2024-05-01\r\n",
}


def places_of(machine: Machine) -> Iterator[tuple[Entry, File, Path]]:
    """Yield every file that switches of the catalogue are written to."""
    for entry in map(catalogue.entry, catalogue.names()):
        written = {rule.file for rule in entry.switches if rule.write is not None}
        for file in entry.files:
            path = places.path_of(file, machine.environment(), entry.version)
            if path and file.name in written and file.format in OTHERS:
                yield entry, file, path


def rewritten(data: bytes, form: str) -> bytes:
    """Return a file as its tool might write it later: another order, a key of its own."""
    text = data.decode("utf-8-sig")
    if form == "json":
        return json.dumps({"own": 1, **dict(reversed(json.loads(text).items()))}).encode()
    if form == "ini":
        parts = [part.strip() for part in text.replace("\r\n", "\n").split("[")[1:]]
        return "".join(f"[{part}\n\n" for part in ("own]\nown = 1", *reversed(parts))).encode()
    return text.replace("\r\n", "\n").encode() + b"\n"


def words_of(data: bytes) -> set[bytes]:
    """Return what stands in a file, whatever its order and layout; empty tables are nothing."""
    return set(data.replace(b"\xef\xbb\xbf", b"").split()) - {b"{}"}


def trip(machine: Machine, tool: str, path: Path, form: str, *, project: bool) -> list[bool]:
    """Switch a tool that has a file off and back in several ways; tell which of them held."""

    def switched(change: Callable[..., SwitchResult], before: bytes | None, *names: str) -> bytes:
        if before is not None:
            path.write_bytes(before)
        result = change(machine.environment(), names, project=project)
        assert not result.problems, result.problems
        return path.read_bytes()

    others, disable, enable = OTHERS[form], switching.disable, switching.enable
    off = switched(disable, others, tool)
    held = [state_of(machine, tool) == "off", switched(disable, None, tool) == off]
    held += [switched(enable, None) == others]
    for names in ((), (tool,)):
        switched(disable, others, tool)
        back = switched(enable, rewritten(off, form), *names)
        held += [words_of(back) == words_of(rewritten(others, form))]
    return held


def test_every_file_of_the_catalogue_keeps_what_else_is_in_it(machine: Machine) -> None:
    """Off twice, back to the byte, on by name; and once more with a tool that wrote meanwhile."""
    machine.variables = {"DAGSTER_HOME": str(machine.home), "APP_ENV": "x"}
    wrong, seen = [], set()
    for entry, file, path in places_of(machine):
        project = file.scope == "project"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(OTHERS[file.format])
        planned = switching.disable(
            machine.environment(), [entry.name], project=project, dry_run=True
        )
        if path in [change.file for change in planned.changes]:
            held = trip(machine, entry.name, path, file.format, project=project)
            wrong += [] if all(held) else [(entry.name, file.name, held)]
            seen.add(file.format)
        path.unlink()
    assert not wrong
    assert seen == set(OTHERS)


def test_markers_and_xml(machine: Machine) -> None:
    """What no tool of the catalogue has yet: a file whose presence says off, and XML."""
    marker = entry_of("marker", off={"form": "set"}, write=True)
    xml = entry_of("xml", key=["c", "t"], off={"form": "equals", "values": ["no"]}, write="no")
    file = machine.home / "deep/er/file"
    for entry, before, off in (
        (marker, None, b""),
        (xml, b"<c>\n <a/>\n</c>", b"<c>\n <a/>\n <t>no</t>\n</c>"),
    ):
        put(machine, "deep/er/file", before)
        asked = Asked(machine.environment(), "1")
        assert [each.changed for each in switch(entry, asked, "off")] == [True]
        assert file.read_bytes() == off
        switch(entry, asked, "undo")
        assert (file.read_bytes() if file.exists() else None) == before
        if before is None:
            assert not (machine.home / "deep").exists()


def test_enable_by_name_beats_whoever_switched_it_off(machine: Machine) -> None:
    """Without a record the key goes, or becomes what says on; a variable still wins."""
    for tool, name, off, on in (
        ("next", NEXT, b'{"telemetry": {"enabled": false}}', b'{"telemetry": {}}'),
        ("sam", ".aws-sam/metadata.json", b'{"telemetryEnabled": false}', b'{"telemetryEnabled": true}'),  # noqa: E501
    ):  # fmt: skip
        file = put(machine, name, off)
        switching.enable(machine.environment())
        assert file.read_bytes() == off
        assert not switching.enable(machine.environment(), [tool]).problems
        assert (file.read_bytes(), state_of(machine, tool)) == (on, "on")
    machine.variables = {"NEXT_TELEMETRY_DISABLED": "1"}
    (problem,) = switching.enable(machine.environment(), ["next"]).problems
    assert (problem.code, problem.hint) == ("switch-ineffective", "unset NEXT_TELEMETRY_DISABLED")


def test_files_in_odd_states_stay_as_they_are(machine: Machine) -> None:
    """Broken, of another form, a folder, a pipe, too large: an error says so, no byte changes."""
    cases = (
        (b'{"telemetry": ', "file-corrupt"),
        (b'{"telemetry": 1}', "file-uneditable"),
        (b" " * (1 << 20) + b"{}", "file-unreadable"),
    )
    file = machine.home / NEXT
    for data, code in cases:
        put(machine, NEXT, data)
        problem, *_ = switching.disable(machine.environment(), ["next"]).problems
        assert (problem.code, bool(problem.hint), file.read_bytes()) == (code, True, data)
    file.unlink()
    for make in (os.mkdir, os.mkfifo):
        make(file)
        problem, *_ = switching.disable(machine.environment(), ["next"]).problems
        assert problem.code == "file-unreadable"
        file.rmdir() if file.is_dir() else file.unlink()
    file.parent.rmdir()
    file.parent.write_bytes(b"in the way")
    problem, *_ = switching.disable(machine.environment(), ["next"]).problems
    assert problem.code == "file-unwritable"
    assert not undoing.recorded(machine.environment())


def test_links_and_modes_stay(machine: Machine) -> None:
    """A file in a folder of dotfiles is edited there; its link and its mode stay."""
    real = put(machine, "dotfiles/next.json", b"{}")
    real.chmod(0o640)
    file = machine.home / NEXT
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    switching.disable(machine.environment(), ["next"])
    assert real.read_bytes() == b'{"telemetry": {"enabled": false}}'
    switching.enable(machine.environment())
    assert (real.read_bytes(), file.is_symlink()) == (b"{}", True)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_links_that_lead_nowhere_and_to_another(machine: Machine) -> None:
    """What was made at the end of a link goes again; the link to another's file is shown."""
    file = machine.home / NEXT
    file.parent.mkdir(parents=True)
    file.symlink_to(machine.home / "dotfiles/next.json")
    before = tree(machine.home)
    switching.disable(machine.environment(), ["next"])
    assert state_of(machine, "next") == "off"
    switching.enable(machine.environment())
    assert tree(machine.home) == before
    link, foreign = machine.home / ".ionic/config.json", put(machine, "foreign.json", b"{}")
    link.parent.mkdir()
    link.symlink_to(foreign)
    wall = confined.powerless()
    if not wall:
        pytest.skip("only root can give a file away")
    os.chown(foreign, confined.STRANGER, confined.STRANGER)
    done = confined.run_behind(wall, machine, "disable", "ionic", "--json")
    hints = [each["hint"] for each in done.envelope["errors"] if each["code"] == "file-unwritable"]
    assert hints == [f"ls -lL {link}"]


def test_a_project_is_written_only_if_asked(machine: Machine) -> None:
    """Without --project a tool that has no other file is told of, with the command that helps."""
    file = put(machine, "./redocly.yaml", b"a: 1\n")
    result = switching.disable(machine.environment(), ["redocly"])
    assert (result.changes, file.read_bytes()) == ((), b"a: 1\n")
    (machine.root / ".dockerenv").touch()  # Its own file lies in the project there.
    assert switching.disable(machine.environment(), ["next"]).problems[0].hint.startswith("export ")
    switching.disable(machine.environment(), ["streamlit"], project=True)
    assert tree(machine.cwd) == [".streamlit", ".streamlit/config.toml", "redocly.yaml"]
    assert not (machine.home / ".streamlit").exists()
    put(machine, "./.streamlit/config.toml", b"[browser]\ngatherUsageStats = true\n")
    (problem,) = switching.disable(machine.environment(), ["streamlit"]).problems
    assert problem.hint == "usagectl disable --project streamlit"


def test_what_makes_a_folder_a_project_is_never_made(machine: Machine) -> None:
    """A new `wrangler.json` would beat the file that is there; `gx` alone breaks its tool."""
    toml = put(machine, "./wrangler.toml", text := b'name = "w"\n\n[vars]\nA = "b"\n')
    names = [name for name in catalogue.names() if not catalogue.entry(name).module]
    switching.disable(machine.environment(), names, project=True)
    assert toml.read_bytes() == text  # Its key would silence a part alone.
    unasked = (".dvc", "angular.json", "nx.json", "gx", "wrangler.json", "meltano.yml")
    assert [name for name in unasked if (machine.cwd / name).exists()] == []
    assert switching.disable(machine.environment(), ["wrangler"], project=True).problems == ()


OF_NO_PROJECT = {
    "./.dlt/config.toml", "./.env", "./.env.local", "./.gemini/settings.json", "./.nuxtrc",
    "./.sf/config.json", "./.streamlit/config.toml", "./.telemetry", "./.yarnrc.yml",
    "./dagster.yaml",
}  # fmt: skip


def test_no_file_is_made_that_a_project_begins_with(machine: Machine) -> None:
    """Redocly knows no rules beside a new redocly.yaml, and a wrangler.json hides all others."""
    made = {
        f"./{change.file.relative_to(machine.cwd)}"
        for name in catalogue.names()
        if not catalogue.entry(name).module
        for change in switching.disable(machine.environment(), [name], project=True).changes
        if change.file.is_relative_to(machine.cwd)
    }
    assert made <= OF_NO_PROJECT
    switching.enable(machine.environment(), ["dvc"])
    put(machine, "./.dvc/x", b"")
    below = machine.environment()._replace(cwd=machine.cwd / "below")
    changes = switching.disable(below, ["dvc"], project=True).changes
    assert [each.file for each in changes] == [machine.cwd / ".dvc/config.local"]


def test_tools_that_only_a_variable_reaches(machine: Machine) -> None:
    """The line to set is said, with the value that this tool understands."""
    (machine.bin / "semgrep").write_bytes(b"")
    (machine.bin / "semgrep").chmod(0o755)
    result = switching.disable(machine.environment(), ["semgrep"])
    (problem,) = result.problems
    assert (problem.code, problem.hint) == ("switch-ineffective", "export SEMGREP_SEND_METRICS=off")
    assert "disable --shell" in problem.message
    machine.variables = {"SEMGREP_SEND_METRICS": "on"}
    (problem,) = switching.disable(machine.environment(), ["semgrep"]).problems
    assert problem.hint == "export SEMGREP_SEND_METRICS=off"


def test_a_dry_run_writes_nothing(machine: Machine) -> None:
    """It says of each file what it would get, off and back."""
    wishes: tuple[tuple[Wish, list[str | None]], ...] = (("off", ["false"]), ("undo", [None]))
    for wish, values in wishes:
        before = tree(machine.folder)
        change = switching.disable if wish == "off" else switching.enable
        result = change(machine.environment(), ["next"] if wish == "off" else (), dry_run=True)
        found = [each.value for each in result.changes if each.tool == "next" and each.changed]
        assert (found, tree(machine.folder)) == (values, before)
        switching.disable(machine.environment(), ["next"])


def test_walls(machine: Machine) -> None:
    """A read-only file or home, a full disk: an error with a next step, and the file as it was."""
    file = put(machine, ".ionic/config.json", b"{}")
    file.chmod(0o400)
    for wall, place, hint in (
        (confined.powerless(), machine.folder, f"chmod u+w {file}"),
        (confined.read_only(machine), machine.folder, "ls -ld "),
        (confined.full_disk(machine), Path(f"{machine.folder}.after"), "df -h "),
    ):
        done = confined.run_behind(wall, machine, "disable", "ionic", "--json")
        assert (done.status, done.stderr) == (3, "")
        error = next(each for each in done.envelope["errors"] if each["code"] == "file-unwritable")
        assert error["hint"].startswith(hint)
        assert (place / file.relative_to(machine.folder)).read_bytes() == b"{}"


def test_enable_by_name_is_done_where_a_tool_asks_or_keeps_events_here(machine: Machine) -> None:
    """Nothing says off any more: that is all a file can say to a tool that then asks."""
    for tool, state in (("aider", "asks"), ("yarn", "local"), ("codex", "unknown")):
        for _ in range(2):
            result = switching.enable(machine.environment(), [tool])
            assert (result.problems, [each.state for each in result.consents]) == ((), [state])
            switching.disable(machine.environment(), [tool])
        assert not switching.enable(machine.environment(), [tool]).problems
    assert "asks  no switch" in machine.run("enable", "aider").stdout
    metrics = ".config/.wrangler/metrics.json"
    put(machine, metrics, b'{"permission": {"enabled": false, "date": "2026-11-28T00:00:00.000Z"}}')
    assert not switching.enable(machine.environment(), ["wrangler"]).problems


def test_a_second_disable_leaves_a_tool_that_is_off(machine: Machine) -> None:
    """Also where what the first one wrote would let an earlier switch be written."""
    file = put(machine, ".supabase/telemetry.json", None)
    switching.disable(machine.environment(), ["supabase"])
    before = file.read_bytes()
    (change,) = switching.disable(machine.environment(), ["supabase"]).changes
    assert (change.changed, file.read_bytes()) == (False, before)


def test_sudo_with_roots_home_says_whose_files_those_are(machine: Machine) -> None:
    """Who types sudo means their own tools; where the home is theirs, nothing is said."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root is meant")
    machine.variables = {"SUDO_USER": "alice"}
    remark = f"These are root's files, in {machine.home}: those of alice are as they were."
    done = machine.run("disable", "ionic")
    assert (remark in done.stderr, "try: usagectl disable" in done.stderr) == (True, True)
    os.chown(machine.home, confined.STRANGER, confined.STRANGER)
    assert remark not in machine.run("disable", "ionic").stderr


def test_what_helps_is_what_beats_the_switch_that_says_on(machine: Machine) -> None:
    """A project's file, a variable set to the contrary: the hint is not to look at the status."""
    for name in ("gemini", "gradio", "dbt"):
        machine.install_program(name)
    put(machine, "./.gemini/settings.json", b'{"privacy": {"usageStatisticsEnabled": true}}')
    machine.variables = {"GRADIO_ANALYTICS_ENABLED": "True"}
    problems = switching.disable(machine.environment()).problems
    told = {str(each).split()[0]: (str(each), each.hint) for each in problems}
    assert told["gemini"][1] == "usagectl disable --project gemini"
    assert "'True' in the environment beats" in told["gradio"][0]
    assert told["gradio"][1] == "export GRADIO_ANALYTICS_ENABLED=False"
    assert "no file of yours switches it off, a variable does" in told["dbt"][0]
    assert "Next: 2 of them take a variable alone" in machine.run("disable").stdout
    assert "Next: " not in machine.run("disable", "dbt").stdout
    assert not switching.disable(machine.environment(), ["gemini"], project=True).problems
    assert not switching.enable(machine.environment(), ["gemini"]).problems
    put(machine, "./.gemini/settings.json", b'{"privacy": {"usageStatisticsEnabled": false}}')
    (problem,) = switching.enable(machine.environment(), ["gemini"]).problems
    assert problem.hint == "usagectl enable --project gemini"
    assert not switching.enable(machine.environment(), ["gemini"], project=True).problems
    machine.install_program("wrangler")
    put(machine, "./.env", b"WRANGLER_SEND_METRICS=true\n")  # A file that is never written.
    (problem,) = switching.disable(machine.environment(), ["wrangler"]).problems
    assert problem.hint == "export WRANGLER_SEND_METRICS=false"
    desktop = ".docker/desktop/settings-store.json"
    put(machine, desktop, b'{"AnalyticsEnabled": true}')
    machine.install_program("docker")
    (problem,) = switching.disable(machine.environment(), ["docker"]).problems
    assert problem.hint == "usagectl explain docker"


def test_a_tool_that_two_switches_silence_together_can_be_written(machine: Machine) -> None:
    """Who asks what switches it off is told so, under a policy too."""
    machine.install_program("syncthing")
    policy = files.policy_file(machine.environment())
    put(machine, str(policy), b'[tools.syncthing]\nmode = "off"\n')
    (found,) = consent.evaluate(machine.environment(), ["syncthing"])
    (caution,) = found.cautions
    assert "What switches it off: `usagectl disable syncthing`" in caution.message
    (problem,) = switching.disable(machine.environment(), ["syncthing"]).problems
    assert (problem.hint, tree(machine.home)) == ("usagectl explain syncthing", [])
    put(machine, ".config/syncthing/config.xml", b"<configuration/>")
    assert not switching.disable(machine.environment(), ["syncthing"]).problems
    names = [name for name in catalogue.names() if not catalogue.entry(name).module]
    told = [cautions.way_off(catalogue.entry(name), machine.environment()) for name in names]
    assert "usagectl explain syncthing" not in told


def test_a_way_off_is_one_that_can_be_gone(machine: Machine) -> None:
    """A file of the project or of root is not said to be written where it would not be."""
    environment = machine.environment()

    def way_off(name: str, *, past_file: bool = False) -> str:
        return cautions.way_off(catalogue.entry(name), environment, past_file=past_file)

    assert way_off("gemini") == "usagectl disable gemini"
    assert way_off("gemini", past_file=True) == "usagectl disable --project gemini"
    assert way_off("aider") == "usagectl disable aider"
    assert way_off("aider", past_file=True) == "export AIDER_ANALYTICS_DISABLE=true"
    assert way_off("popularity-contest") == "usagectl explain popularity-contest"
    assert way_off("nx") == "usagectl explain nx"
    put(machine, "./nx.json", b"{}")
    assert way_off("nx") == "usagectl disable --project nx"


def test_a_value_is_put_in_with_what_its_switch_needs(machine: Machine) -> None:
    """A file that was not there says off then, whatever its form, as the tool reads it."""
    environment, wrong, count = machine.environment(), [], 0
    for entry in map(catalogue.entry, catalogue.names()):
        for rule in entry.switches:
            target = target_of(entry, rule, environment, entry.version) if rule.file else None
            form = target.file.format if target else "code"
            if target is None or form in ("code", "xml", "marker") or rule.write is None:
                continue
            if all(need.write is not None for need in rule.needs):
                data = with_value(target, None, rule.write)
                content = file_values.parse(target.path, data, form, target.file.dialect)
                said = forms.outcome(rule, file_values.value_at(content, target.key))
                needed = [file_values.value_at(content, each.key) for each in rule.needs]
                is_met = all(map(forms.matches, (each.match for each in rule.needs), needed))
                wrong += [] if said == "off" and is_met else [(entry.name, rule.key, data)]
                count += 1
    assert wrong == []
    assert count > 20
