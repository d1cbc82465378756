"""Words for what an entry of the catalogue says: switches, files, IDs, evidence."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.catalogue.entry import (
        Entry,
        Evidence,
        File,
        Identity,
        Match,
        Outcome,
        Place,
        Run,
        SwitchRule,
    )

HOW: Mapping[str, str] = {
    "wire": "run, and its requests counted",
    "source": "read in its source, not run",
    "docs": "read in its maker's documentation, not run",
    "memory": "remembered, not checked",
}

_DEFAULTS: Mapping[str, str] = {
    "on": "sends as long as nothing switches it off",
    "off": "sends nothing",
    "local": "collects on this machine and uploads nothing",
    "asks": "sends nothing before you have said yes",
    "unknown": "this machine does not tell whether it sends",
}

_OUTCOMES: Mapping[Outcome, str] = {
    "ignored": "is ignored",
    "off": "switches off",
    "on": "leaves it on",
    "local": "keeps everything on this machine",
    "breaks": "makes the tool stop with an error",
}

_DERIVED: Mapping[bool, str] = {
    True: " (deleting it brings the same one back)",
    False: " (computed each time; there is no file to delete)",
}
"""What to know of an ID that is derived, by whether a file holds it."""


def describe_default(entry: Entry) -> str:
    """Say what the tool does where no switch says anything."""
    return _DEFAULTS[entry.default]


def name_of_switch(entry: Entry, rule: SwitchRule) -> str:
    """Name a switch: its variables, or the key and the file."""
    if rule.variables:
        return ", ".join(rule.variables)
    path = usual_path(entry.file(rule.file))
    key = ".".join(rule.key)
    return f"{key} in {path}" if key else path


def usual_path(file: File) -> str:
    """Return the path of a file on a usual Linux machine, as a person writes it."""
    plain = [each for each in file.places if not each.when and not each.exists]
    usual = [each for each in plain if not each.system or "linux" in each.system]
    path = (usual or plain or list(file.places))[-1].path
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", path)


def describe_switch(rule: SwitchRule) -> str:
    """Say which values switch off and which do not, in one line."""
    tests = (("off", rule.off), ("on", rule.on), ("local", rule.local))
    parts = [
        f"{'here only' if name == 'local' else name}: {describe_match(match)}"
        for name, match in tests
        if match
    ]
    if rule.empty is not None:
        parts.append(f"an empty text {_OUTCOMES[rule.empty]}")
    is_total = any(match and match.form in ("set", "anything-but") for _, match in tests)
    if not is_total:
        parts.append(f"any other value {_OUTCOMES[rule.other]}")
    parts += [
        f"heeded where {'.'.join(need.key)} is {describe_match(need.match)}" for need in rule.needs
    ]
    if rule.broken != "ignored":
        parts.append(f"a file that cannot be parsed {_OUTCOMES[rule.broken]}")
    if rule.covers:
        parts.append(f"covers {' and '.join(rule.covers)} alone")
    return "; ".join(parts)


def describe_match(match: Match) -> str:
    """Say which values a test takes."""
    # A file has values with types and texts: false and "false" are one word.
    values = dict.fromkeys(_shown(each) for each in match.values)
    text = _FORMS[match.form].format(" or ".join(values))
    marks = [] if match.case else ["in any case"]
    marks += ["spaces around it do not count"] if match.trim else []
    return ", ".join([text, *marks])


_FORMS: Mapping[str, str] = {
    "set": "set to anything, even to nothing",
    "non-empty": "any text but the empty one",
    "equals": "{}",
    "one-of": "{}",
    "anything-but": "anything but {}",
    "first-letter": "anything that begins with {}",
    "positive-number": "a number above 0",
    "truthy": "anything that counts as true",
    "falsy": "anything that counts as false",
    "later-than": "a date after {}",
    "debug-names": "a list that names {}, as `*` does",
    "missing": "not there",
}


def _shown(value: object) -> str:
    if value == "":
        return "the empty text"
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe_place(place: Place) -> str:
    """Say where a file lies, and when it lies there."""
    marks = [*place.system, *(each.replace("-", " ") for each in place.when)]
    if place.exists:
        marks.append("if it exists" if place.exists == place.path else f"if {place.exists} exists")
    marks += [place.versions] if place.versions else []
    marks += ["not checked"] if place.how == "memory" else []
    return f"{place.path} ({', '.join(marks)})" if marks else place.path


def describe_file(file: File) -> str:
    """List the places of a file in one line."""
    places = "; ".join(describe_place(place) for place in file.places)
    return f"{places}; here or in the nearest folder above" if file.search == "up" else places


def describe_format(file: File) -> str:
    """Name a file's format, with what differs from the usual one."""
    return f"{file.format}{_DIALECTS[file.dialect]}"


_DIALECTS: Mapping[str, str] = {"": "", "strict": " without comments", "1.2": " 1.2"}


def describe_identity(entry: Entry, identity: Identity) -> str:
    """Say how an ID is made and where it is kept."""
    place = ""
    if identity.file:
        key = ".".join(identity.key)
        path = usual_path(entry.file(identity.file))
        place = f", {key} in {path}" if key else f", {path}"
    made = _DERIVED[bool(identity.file)] if identity.made == "derived" else ""
    again = "" if identity.remade or identity.made != "random" else "; not made anew once deleted"
    return f"{identity.text}{made}{place}{again}"


def describe_run(run: Run) -> tuple[str, str]:
    """Say under what a tool was seen, and what it did."""
    circumstances = [f"{name}={_as_typed(value)}" for name, value in run.variables.items()]
    circumstances += [f"{file}: {_one_line(text)}" for file, text in run.files.items()]
    circumstances += [each.replace("-", " ") for each in run.conditions]
    circumstances += ["after a yes"] if run.consented else []
    circumstances += [run.part] if run.part else []
    return ", ".join(circumstances) or "no switch", describe_outcome(run)


def describe_outcome(run: Run) -> str:
    """Say what a run showed."""
    if run.breaks:
        said = "stopped with an error"
    elif run.requests is None:
        said = "sends" if run.sends else "sends nothing"
    else:
        said = f"{run.requests} request{'' if run.requests == 1 else 's'}"
    return f"{said} ({run.note})" if run.note else said


def describe_look(evidence: Evidence) -> str:
    """Say how, when and in which release something was seen."""
    return f"{evidence.version}, {evidence.date}, {HOW[evidence.how]}"


def _as_typed(value: str) -> str:
    """Show the value of a variable, in quotes where spaces around it would not be seen."""
    return (value if value == value.strip() else repr(value)) or "(empty)"


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "(empty)"


def describe_seen(entry: Entry, rule: SwitchRule) -> str:
    """Say what was seen of one switch alone, in which release, how and when."""
    for evidence in entry.evidence:
        seen = [
            f"{said}{_under(run)}: {describe_outcome(run)}"
            for run in evidence.runs
            if (said := _said_alone(entry, rule, run))
        ]
        if seen:
            return f"{evidence.how} {evidence.version}, {evidence.date}: {', '.join(seen)}"
    return f"{rule.how or entry.how} {entry.version}, {entry.date}"


def _said_alone(entry: Entry, rule: SwitchRule, run: Run) -> str:
    """Return what a switch said in a run where no other said anything, else nothing."""
    if rule.variables:
        named = [name for name in run.variables if name in rule.variables]
        is_alone = len(run.variables) == len(named) == 1 and not run.files
        return f"={_as_typed(run.variables[named[0]])}" if is_alone else ""
    file = entry.file(rule.file)
    is_alone = len(run.files) == 1 and not run.variables
    text = next(iter(run.files.values())) if is_alone else ""
    is_meant = is_alone and _is_of(next(iter(run.files)), file) and rule.key[-1:]
    return _one_line(text) if is_meant and _has_word(text, rule.key[-1]) else ""


def _has_word(text: str, word: str) -> bool:
    """True if a key stands in a text, and not as a part of another one."""
    return bool(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text))


def _under(run: Run) -> str:
    conditions = [each.replace("-", " ") for each in run.conditions]
    conditions += ["after a yes"] if run.consented else []
    return f" ({', '.join(conditions)})" if conditions else ""


def _is_of(path: str, file: File) -> bool:
    """True if a path of a run is one of a file's places, whatever folder variables stand in it.

    What lies in a home or below the root is not the project's file of the same name.
    """
    if file.scope == "project" and path.startswith(("~", "/")):
        return False
    paths = (place.path.rpartition("}")[2] for place in file.places)
    return any(each.endswith(path.rpartition("/")[2]) for each in paths)


def rules_of(entry: Entry, variable: str) -> Sequence[SwitchRule]:
    """List the switches that are read from a variable."""
    return [rule for rule in entry.switches if variable in rule.variables]


def way_to_install(entry: Entry) -> str:
    """Return the command that installs a tool; where no package is known, what looks for it."""
    words = {"npm": "npm install", "python": "python -m pip install"}
    packages = entry.verify.packages or {"npm": entry.detect.npm, "python": entry.detect.python}
    ways = [
        f"{words[kind]} {' '.join(map(shlex.quote, names))}"
        for kind, names in packages.items()
        if names and kind in words
    ]
    program = next(iter(entry.detect.executables), entry.name)
    return " && ".join(ways) or f"command -v {shlex.quote(program)}"
