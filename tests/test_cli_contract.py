"""Tests of the public JSON: one envelope, exact keys, stable codes and exit statuses."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from tests.support.commands import ANSWERING, EXAMPLES, example, furnish, run_inside, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.support.machine import Machine, Machines, Outcome

ENVELOPE = ["schema", "command", "data", "errors"]
ERROR = ["code", "message", "hint"]
SWITCH = "source name value origin"
CAUTION = "code message hint level"
IDENTITY = "value kind path"
PART = (
    "name part telemetry installed version endpoint decided_by overridden warnings machine_id "
    "senders asks summary evidence privacy"
)
EVENT = (
    "name documented meaning when endpoint sentence tools since until fields added_fields "
    "undocumented_fields example departures"
)
EXPLAIN = (
    "events declared_events undocumented_events never_collected departures privacy_classes "
    "switch licence not_covered"
)
FIELD = "event name pointer type meaning privacy sentence example documented since until"
DEPARTURE = "id title text tools since until events fields sentence evidence"
SWITCHED = {
    "": "dry_run changes purged tools",
    "changes[]": "tool file name value changed set_aside",
    "tools[]": PART,
}
SAVED = "file changed set_aside dry_run"
REPLACED = "tool part path before after changed set_aside problem"
LOST = "full old unwritable"
ENTRY = "uid time tool event state bytes at to status answer"
AUDIT = (
    "source events by_name findings other_requests totals bad_lines first_bad_line fail_on "
    "baseline_written dry_run"
)
FINDING = (
    "rule name level event field count message example sentence known since advice line suppressed "
    "fingerprint"
)
EMITTABLE = ("session", "aws_request", "aws_request_agg", "cli_cmd", "run_init")
EMITTED = "event tool telemetry recorded problem decided_by session_id body masked dry_run"
REPLAYED = "planned sent rejected refused kept batches bytes seconds message"
SOURCES = {"environment", "process", "profile", "project", "policy", "setting", "default", "state"}

KEYS: dict[str, dict[str, str]] = {
    "status": {
        "": "tools cache_dir environment spool not_covered",
        "tools[]": PART,
        "tools[].decided_by": SWITCH,
        "tools[].overridden[]": SWITCH,
        "tools[].warnings[]": CAUTION,
        "tools[].machine_id": IDENTITY,
        "cache_dir": "path source",
        "environment": "is_ci is_docker system",
        "spool": "path pending sent bytes rejected lost",
        "spool.lost": LOST,
    },
    "spool": {"": "path pending sent rejected bytes lost problem", "lost": LOST},
    "spool list": {"": "events shown total", "events[]": ENTRY},
    "spool show": {"": "events", "events[]": f"{ENTRY} body"},
    "spool stats": {
        "": "events bytes by_state by_tool by_event by_day lost",
        "by_day[]": "day tool event state count",
    },
    "spool export": {"": "file events bytes form dry_run"},
    "spool purge": {"": "purged dry_run states"},
    "replay": {"": f"{REPLAYED} endpoint dry_run"},
    "audit": {"": AUDIT, "findings[]": FINDING, "totals": "error warning note suppressed"},
    "report": {
        "": (
            "time usagectl environment asked tools not_found expected known not_covered captures "
            "inputs sha256"
        ),
        "environment": "is_ci is_docker system",
        "tools[]": PART,
        "known[]": "name title source evidence quirks not_covered",
        "known[].evidence[]": "how version date",
        "not_covered[]": "tool text",
    },
    "preview": {
        "": "requests would_send decided_by verdicts warnings notices",
        "requests[]": "tool part version method url headers body events masked varying unknown",
        "decided_by": SWITCH,
        "verdicts[]": "tool part telemetry would_send decided_by",
    },
    "disable": SWITCHED,
    "enable": SWITCHED,
    "settings": {"": "file problem settings", "settings[]": "name value source origin stored"},
    "settings set": {"": SAVED},
    "settings unset": {"": SAVED},
    "machine-id": {
        "": "places warnings",
        "places[]": f"tool part {IDENTITY} source problem",
        "warnings[]": CAUTION,
    },
    "machine-id show": {
        "": "places warnings",
        "places[]": f"tool part {IDENTITY} source problem",
    },
    "machine-id set": {
        "": "dry_run replaced warnings",
        "replaced[]": REPLACED,
        "replaced[].before": IDENTITY,
    },
    "reset-machine-id": {"": "dry_run replaced warnings", "replaced[]": REPLACED},
    "cache-dir": {"": "path source places"},
    "cache-dir set": {"": f"path {SAVED}"},
    "cache-dir unset": {"": SAVED},
    "cache-dir clear": {"": "dry_run removed"},
    "env": {"": "format variables text warnings"},
    "completion": {"": "shell text"},
    "init": {"": "tool file text dry_run"},
    "emit": {
        "": "events",
        "events[]": "name fields",
        "events[].fields[]": "name option required default meaning",
    },
    "explain": {
        "": EXPLAIN,
        "events[]": EVENT,
        "events[].fields[]": FIELD,
        "undocumented_events[]": EVENT,
        "never_collected[]": "id sentence meaning",
        "departures[]": DEPARTURE,
    },
    **{f"emit {name}": {"": EMITTED} for name in EMITTABLE},
}
"""By command: the keys of `data` and of what stands at each place in it."""

FAILURES = [
    (("status", "--expect", "nope"), "status", "usage", 2),
    (("status", "--nope"), "status", "usage", 2),
    (("status", "nope"), "status", "unknown-tool", 2),
    (("init", "usagectl"), "init", "invalid-value", 2),
    (("report", "-o", "report.pdf"), "report", "invalid-value", 2),
    (("report", "--junit", "x.xml"), "report", "usage", 2),
    (("report", "--sign", "key"), "report", "usage", 2),
    (("report", "--verify", "report.json", "--markdown"), "report", "usage", 2),
    (("nope",), "", "usage", 2),
    ((), "", "usage", 2),
    (("preview", "nope"), "preview", "unknown-tool", 2),
    (("disable", "nope"), "disable", "unknown-tool", 2),
    (("enable", "localstack", "nope"), "enable", "unknown-tool", 2),
    (("preview", "--localstack-version", "x"), "preview", "invalid-value", 2),
    (("preview", "--raw"), "preview", "usage", 2),
    (("explain", "nope"), "explain", "unknown-event", 2),
    (("emit", "nope"), "emit", "usage", 2),
    (("emit", "run_init"), "emit run_init", "usage", 2),
    (("emit", "cli_cmd", "--cmd", "a=b/c"), "emit cli_cmd", "event-shape", 2),
    (("emit", "cli_cmd", "--cmd", "a", "--tool", "A b"), "emit cli_cmd", "invalid-value", 2),
    (("explain", "session.nope"), "explain", "unknown-event", 2),
    (("env", "nope"), "env", "invalid-value", 2),
    (("machine-id", "set"), "machine-id set", "usage", 2),
    (("machine-id", "set", "a b"), "machine-id set", "invalid-value", 2),
    (("machine-id", "set", "../x"), "machine-id set", "invalid-value", 2),
    (("cache-dir", "set", ""), "cache-dir set", "invalid-value", 2),
    (("cache-dir", "nope"), "cache-dir", "usage", 2),
    (("settings", "set", "nope", "x"), "settings set", "invalid-value", 2),
    (("settings", "set", "telemetry.mode"), "settings set", "usage", 2),
    (("settings", "set", "telemetry.mode", "x"), "settings set", "invalid-value", 2),
    (("settings", "set", "telemetry.endpoint", "x"), "settings set", "invalid-value", 2),
    (("settings", "set", "spool.max_days", "0"), "settings set", "invalid-value", 2),
    (("spool", "list", "--since", "soon"), "spool list", "invalid-value", 2),
    (("spool", "list", "--state", "lost"), "spool list", "invalid-value", 2),
    (("spool", "show", "01"), "spool show", "usage", 2),
    (("spool", "show", "ffffffff"), "spool show", "unknown-uid", 1),
    (("spool", "show", "--raw"), "spool show", "usage", 2),
    (("spool", "export"), "spool export", "usage", 2),
    (("replay", "--raw", "--dry-run"), "replay", "usage", 2),
    (("replay", "--file", "x", "--rejected"), "replay", "usage", 2),
    (("replay", "--to", "nope"), "replay", "endpoint-invalid", 2),
    *((("replay", "--timeout", word), "replay", "usage", 2) for word in ("nan", "inf", "-inf")),
    *((("replay", f"--{word}", "0"), "replay", "usage", 2) for word in ("limit", "batch-size")),
]


def furnished(machine: Machine) -> Machine:
    """Put onto a machine what gives every list of an answer a member."""
    furnish(machine)
    machine.variables["DISABLE_EVENTS"] = "yes"
    machine.default_profile.write_text("DISABLE_EVENTS=1\n")
    return machine


def members(value: object, path: str) -> Iterator[dict[str, object]]:
    """Find the objects at a path such as `tools[].decided_by`; null ones are passed over."""
    if not path:
        if value is not None:
            assert isinstance(value, dict)
            yield value
        return
    head, _, rest = path.partition(".")
    assert isinstance(value, dict)
    inner = value[head.removesuffix("[]")]
    for each in inner if head.endswith("[]") else [inner]:
        yield from members(each, rest)


def check_envelope(outcome: Outcome, command: str) -> None:
    """Assert that stdout is one envelope on one line, and stderr silent."""
    assert list(outcome.envelope) == ENVELOPE
    assert (outcome.envelope["schema"], outcome.envelope["command"]) == (1, command)
    errors = outcome.envelope["errors"]
    assert [list(error) for error in errors] == [ERROR] * len(errors)
    assert (outcome.stdout.count("\n"), outcome.stdout[-2:], outcome.stderr) == (1, "}\n", "")


def test_every_command_is_in_the_contract() -> None:
    """A new command has an example, and fixed keys if it answers."""
    assert set(tree()) == set(EXAMPLES)
    assert set(KEYS) == set(ANSWERING)


def test_json_is_one_envelope_with_exact_keys(
    machines: Machines, subtests: pytest.Subtests
) -> None:
    """No public key comes or goes unnoticed: a script may rely on each."""
    for path, places in KEYS.items():
        machine = furnished(machines())
        if path == "enable":
            machine.variables.clear()
        outcome = run_inside(machine.environment(), *example(path, "--json"))
        with subtests.test(path):
            check_envelope(outcome, path)
        for place, keys in places.items():
            with subtests.test(f"{path} {place}"):
                found = [set(each) for each in members(outcome.data, place)]
                assert found, "nothing stands there, so nothing was tested"
                assert found == [set(keys.split())] * len(found)
    for name, keys in (
        ("session", EVENT),
        ("session.machine_id", "field departures"),
        ("localstack", "events not_covered tool"),
    ):
        found_data = run_inside(machines().environment(), "explain", name, "--json").data
        assert set(found_data) == set(keys.split())


def test_values_come_from_the_published_words(machine: Machine) -> None:
    """Sources and verdicts are those that the design names, and no others."""
    data = run_inside(furnished(machine).environment(), "status", "--json").data
    switches = [*members(data, "tools[].decided_by"), *members(data, "tools[].overridden[]")]
    assert {switch["source"] for switch in switches} | {data["cache_dir"]["source"]} <= SOURCES
    assert {part["telemetry"] for part in data["tools"]} <= {"on", "local", "off"}
    assert [(part["name"], part["part"]) for part in data["tools"]] == [
        ("localstack", "cli"),
        ("localstack", "container"),
        ("lstk", "cli"),
        ("lstk", "container"),
        ("usagectl", "cli"),
    ]


def test_failures_have_the_same_envelope(machines: Machines, subtests: pytest.Subtests) -> None:
    """A failure is an envelope with empty data and an error with a code and a next step.

    Bad usage, as Click or the command itself sees it, is not recorded: nothing did run.
    """
    for words, command, code, status in FAILURES:
        machine = machines()
        outcome = run_inside(machine.environment(), *words, "--json")
        with subtests.test(" ".join(words)):
            check_envelope(outcome, command)
            (error,) = outcome.envelope["errors"]
            assert (outcome.envelope["data"], error["code"]) == ({}, code)
            assert error["message"].endswith((".", "?"))
            assert error["hint"].startswith("usagectl")
            assert outcome.status == status
            assert machine.state_dir.exists() == (status != 2)


def test_every_command_refuses_an_unknown_option(
    machine: Machine, subtests: pytest.Subtests
) -> None:
    """An option that does not exist is a usage error in the envelope.

    So it is of `run`, where a program's own options stand behind the program.
    """
    for path in EXAMPLES:
        outcome = run_inside(machine.environment(), *path.split(), "--no-such-option", "--json")
        with subtests.test(path):
            assert (outcome.status, outcome.envelope["command"]) == (2, path)
            assert outcome.envelope["errors"][0]["code"] == "usage"


SLIPS = [
    ("statsu", "did you mean status?", "usagectl --help"),
    ("settings get telemetry.mode", "It has set, unset; alone it shows", "usagectl settings"),
    ("settings telemetry.mode", "has no command 'telemetry.mode'. It", "usagectl settings"),
    ("settings unst x", "did you mean unset?", "usagectl settings"),
    ("settings set spool.max_byts 5", "did you mean spool.max_bytes?", "usagectl settings"),
    ("explain D99", "is not a departure of real clients", "usagectl explain"),
    ("help", "--help, after any command", "usagectl --help"),
    ("help status", "--help, after any command", "usagectl status --help"),
    ("replay localstack", "usagectl replay takes no name", "usagectl replay --help"),
    ("disable nope", "is not a tool that usagectl knows", "usagectl status --all"),
    ("explain nextjs", "Did you mean next? It knows ", "usagectl status --all"),
    ("explain sesion", "Did you mean session?", "usagectl explain"),
    ("settings set telemetry.mode x", "'x' is not a valid", "usagectl settings set --help"),
    ("--dry-run disable", "--dry-run goes after the command", "usagectl disable --dry-run"),
    ("replay --batch-size x", "a whole number from 1 to 100000.", "usagectl replay --help"),
    ("replay --limit -1", "'-1' is not a whole number of at least 1.", "usagectl replay --help"),
    ("replay --timeout x", "'x' is not a number from 0.1 to 86400", "usagectl replay --help"),
    ("--version --dry-run", "No such option", "usagectl --help"),
]


def test_a_slip_is_answered_with_the_way_on(machine: Machine, subtests: pytest.Subtests) -> None:
    """What people type out of habit from other programs leads them to what is there.

    An error goes to stderr, with a code and a next step; stdout has answers alone.
    """
    for words, part, hint in SLIPS:
        outcome = run_inside(machine.environment(), *words.split())
        with subtests.test(words):
            assert (outcome.status, outcome.stdout) == (2, "")
            assert part in outcome.stderr
            assert re.fullmatch(
                rf"error: .+ \[[a-z-]+\]\n  try: {re.escape(hint)}\n", outcome.stderr
            )


def test_json_before_its_command_is_put_right(machine: Machine) -> None:
    """The envelope names the command that was meant, and where --json goes.

    `cache-dir --json set x` would answer without JSON: it says where the option belongs.
    """
    for words in ("cache-dir --json set x", "settings --json unset x"):
        outcome = run_inside(machine.environment(), *words.split())
        assert outcome.status == 2
        assert "give it after" in outcome.envelope["errors"][0]["message"]
    for words, command in (("--json status", "status"), ("--version --json", "")):
        outcome = run_inside(machine.environment(), *words.split())
        assert (outcome.status, outcome.envelope["command"]) == (2, command)
        (error,) = outcome.envelope["errors"]
        assert error["message"] == "--json goes after the command: usagectl status --json."
        assert error["hint"] == "usagectl status --json"


def test_a_programs_own_options_are_handed_on(machine: Machine) -> None:
    """Behind the program, or behind `--`, a word that begins with a dash is not ours.

    Neither is its --json: it makes no envelope.
    """
    assert run_inside(machine.environment(), "run", "--", "--nope").status == 127
    for option in ("--help", "--json"):
        outcome = run_inside(machine.environment(), "run", "nope", option)
        assert (outcome.status, outcome.stdout) == (127, "")
        assert outcome.stderr.endswith("[command-not-found]\n  try: command -v nope\n")


CORRUPT = ["", "{", "\x00", "\xff", "[[[[", "mode = 1", '[telemetry]\nmode = "maybe"\n']


def test_reading_commands_answer_over_corrupt_files(
    machine: Machine, subtests: pytest.Subtests
) -> None:
    """What cannot be understood is part of the answer; reading never fails for it."""
    furnished(machine)
    for text in CORRUPT:
        for file in (
            machine.default_profile,
            machine.machine_json,
            machine.config_dir / "settings.toml",
            machine.cwd / ".usagectl.toml",
        ):
            file.write_bytes(text.encode("latin-1"))
        for path in ("status", "settings", "machine-id", "preview", "cache-dir"):
            outcome = run_inside(machine.environment(), path, "--json")
            with subtests.test(f"{path} over {text!r}"):
                assert (outcome.status, list(outcome.envelope)) == (0, ENVELOPE)


def test_unwritable_state_is_status_3(machine: Machine) -> None:
    """A settings file that cannot be read or written ends with 3 and says which file it is."""
    settings = furnished(machine).config_dir / "settings.toml"
    settings.unlink()
    settings.mkdir()
    for path in ("settings set", "settings unset", "cache-dir set"):
        outcome = run_inside(machine.environment(), *example(path, "--json"))
        assert outcome.status == 3
        assert [error["code"] for error in outcome.envelope["errors"]] == ["file-unreadable"]
        assert str(settings) in outcome.envelope["errors"][0]["message"]


def test_a_spool_that_cannot_be_emptied_is_status_4(machine: Machine) -> None:
    """`disable` says that events are left, with the rest of its answer beside it."""
    furnish(machine)
    for file in machine.state_dir.glob("spool.db*"):
        file.unlink()
    (machine.state_dir / "spool.db").write_text("no database")
    outcome = run_inside(machine.environment(), "disable", "usagectl", "--json")
    assert outcome.status == 4
    assert [error["code"] for error in outcome.envelope["errors"]] == ["spool-set-aside"]
    assert outcome.data["changes"][0]["changed"] is True
    warnings = run_inside(machine.environment(), "status", "--json").data["tools"][-1]["warnings"]
    assert [warning["code"] for warning in warnings] == ["spool-unreadable"]


def test_expectations_look_at_every_part_that_counts(
    machines: Machines, subtests: pytest.Subtests
) -> None:
    """`--expect off` wants all parts off, `local` that nothing is sent; no absent lstk."""
    for localstack, own, lstk in itertools.product(
        ["off", "on"], ["off", "local", "on"], [None, "off", "on"]
    ):
        with subtests.test(f"localstack {localstack}, usagectl {own}, lstk {lstk}"):
            check_expectations(machines(), localstack, own, lstk)


def check_expectations(machine: Machine, localstack: str, own: str, lstk: str | None) -> None:
    """Set switches as named and assert what each expectation says of them."""
    machine.install_localstack()
    profile = "DISABLE_EVENTS=1\n" if localstack == "off" else ""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(profile + "# LOCALSTACK_DISABLE_EVENTS\n")
    machine.config_dir.mkdir()
    (machine.config_dir / "settings.toml").write_text(f'[telemetry]\nmode = "{own}"\n')
    if lstk is not None:
        machine.install_program("lstk")
    if lstk == "off":
        machine.variables["LOCALSTACK_DISABLE_EVENTS"] = "1"
        own = "off"  # That variable is a No for usagectl as well.
    states = {localstack, own, *([lstk] if lstk else [])}
    for expected, fine in (("off", {"off"}), ("local", {"off", "local"})):
        outcome = run_inside(machine.environment(), "status", "--expect", expected, "--json")
        codes = [error["code"] for error in outcome.envelope["errors"]]
        wanted = (0, []) if states <= fine else (1, ["expectation-failed"])
        assert (outcome.status, codes) == wanted
        assert {part["telemetry"] for part in outcome.data["tools"]} >= states
    plain = run_inside(machine.environment(), "status", "--json")
    assert (plain.status, plain.envelope["errors"]) == (0, [])
