"""Words of a report: the answer in a sentence, verdicts, deciding switches, ways of a capture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from usagectl.consent import describe
from usagectl.errors import count_of
from usagectl.settings import OWN_NAME
from usagectl.tools.base import Switch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERDICTS = {
    "on": ("Sends", "Its telemetry is on: it sends when it is used."),
    "unknown": ("Cannot be told", "What is on this machine does not tell whether it sends."),
    "local": ("Records here", "It keeps events on this machine and sends none of them."),
    "off": ("Quiet", "Its telemetry is off."),
    "asks": ("Asks first", "It sends nothing until somebody says yes to its question."),
    "absent": ("Not here", "It was not found on this machine."),
}
"""By state, loudest first: the word for it, and what that means."""

WAYS = {
    "sealed": (
        "Sealed: the command ran with no network but a recorder, so nothing of it left.",
        "But for what stands here, whatever it tried was seen, in whatever language it is written.",
    ),
    "proxy": (
        "Through a proxy: the command was told to use a recorder as its proxy.",
        "A program may pass a proxy by, and is then not seen: this proves no silence.",
    ),
    "redirect": (
        "Redirected: variables led the events of known tools to an endpoint on this machine.",
        "A program that posts to an address of its own is not caught: that went out, unseen.",
    ),
    None: (
        "By a recorder; the file does not say whether sealed or as a proxy.",
        "As a proxy it does not see a program that passes it by: this proves no silence.",
    ),
}
"""By mode of a capture: how it was caught, and what that way cannot see."""

HOWS = {
    "wire": "it was run, and its requests were counted",
    "source": "its code was read",
    "docs": "its maker's documentation says so",
    "memory": "not checked",
}

_PLAINER = {"own": "the command's own", "loopback": "this machine"}
"""What a host is, for a person who has not seen a capture."""


def state_of(tool: Mapping[str, Any]) -> str:
    """Return the state of a tool of the report: `asks` where it is off until somebody answers."""
    is_asking = tool["asks"] and tool["telemetry"] == "off"
    return "asks" if is_asking else str(tool["telemetry"])


def name_of(tool: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> str:
    """Name a tool, with its part where it has several."""
    is_alone = sum(each["name"] == tool["name"] for each in tools) == 1
    return tool["name"] if is_alone else f"{tool['name']} {tool['part']}"


def verdict(tool: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the word for the verdict on a tool, and what that means here."""
    word, meaning = VERDICTS[state_of(tool)]
    if tool["name"] not in data["not_found"]:
        return word, meaning
    if tool["telemetry"] == "on":
        return "Would send", "It was not found on this machine. If it were here, it would send."
    return word, f"It was not found on this machine. If it were here: {meaning}"


def version(tool: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return the version of a tool here, or why there is none."""
    missing = "not found here" if tool["name"] in data["not_found"] else "not known"
    return tool["version"] or missing


def headline(data: Mapping[str, Any]) -> str:
    """Say the answer in a sentence, and in another what tools that are not here would do."""
    absent = [each for each in data["tools"] if each["name"] in data["not_found"]]
    here = [each for each in data["tools"] if each["name"] not in data["not_found"]]
    would = _named(absent, "on")
    more = f" Not found here, and would send: {_listed(would)}." if would else ""
    return _answer(here, "asked about" if data["asked"] else "found on this machine") + more


def _answer(tools: Sequence[Mapping[str, Any]], which: str) -> str:
    others = {each["name"] for each in tools if each["name"] != OWN_NAME}
    loud, unsure = _named(tools, "on"), _named(tools, "unknown")
    total = len(others | set(loud))
    if loud and total == 1:
        return f"The one tool {which} sends data by itself: {loud[0]}."
    if loud:
        verb, itself = ("sends", "itself") if len(loud) == 1 else ("send", "themselves")
        return f"{len(loud)} of {total} tools {which} {verb} data by {itself}: {_listed(loud)}."
    if unsure:
        return f"No tool {which} is known to send; of {_listed(unsure)} it cannot be told."
    if not others:
        return "No tool that sends data by itself was found on this machine."
    return f"Of {count_of(total, 'tool')} {which}, none sends data by itself."


def captures_line(data: Mapping[str, Any]) -> str:
    """Say in a sentence what the captures showed; empty without one."""
    found = data["captures"]
    if not found:
        return ""
    from usagectl.capture.traffic import LOUD  # it loads what can open a socket

    loud = [row for each in found for row in each["hosts"] if row["kind"] in LOUD]
    unknown = {row["host"] for row in loud if row["kind"] == "unknown"}
    known = {row["host"] for row in loud} - unknown
    caught = f"{count_of(sum(each['requests'] for each in found), 'request')} caught"
    parts = [f"{count_of(len(known), 'host')} of telemetry"] if known else []
    parts += [f"{count_of(len(unknown), 'host')} that nobody knows"] if unknown else []
    told = f"; {' and '.join(parts)}" if parts else ", none to a host of telemetry"
    return f"{count_of(len(found), 'capture')}: {caught}{told}."


def _named(tools: Sequence[Mapping[str, Any]], state: str) -> list[str]:
    return list(dict.fromkeys(each["name"] for each in tools if each["telemetry"] == state))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def decider(switch: Mapping[str, Any]) -> str:
    """Say which switch decided, and where it stands."""
    told = describe(Switch(**switch, says=None))
    return f"{told}: its default holds" if switch["source"] == "default" else told


def evidence_of(known: Mapping[str, Any]) -> list[str]:
    """Say for a tool how what is known of it was seen, of which release and when."""
    told = (
        f"{each['version']}, on {each['date']}: {HOWS.get(each['how'], each['how'])}"
        for each in known["evidence"]
    )
    return list(dict.fromkeys(told))


def owner_of(row: Mapping[str, Any]) -> str:
    """Say whose a host is, and what it takes."""
    from usagectl.capture.traffic import WORDS  # it loads what can open a socket

    kind, who = {**WORDS, **_PLAINER}[row["kind"]], row["tool"] or row["service"]
    return f"{kind} of {who}" if who and kind != "unknown" else kind


def is_offending(tool: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """True if a tool of the report is louder than was expected."""
    return any(
        (each["name"], each["part"]) == (tool["name"], tool["part"])
        for each in expected["offending"]
    )


def instant(text: str | None) -> str:
    """Write an instant of JSON for a person, to the second."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?\+00:00", text or "")
    return f"{found[1]} {found[2]} UTC" if found else text or ""


def lost(capture: Mapping[str, Any]) -> str:
    """Say what came and is not in a capture's file, or may be another program's; else nothing."""
    told = []
    if capture["foreign"]:
        came = count_of(capture["foreign"], "request")
        told.append(f"{came} came by another address, maybe of another program")
    if capture["unstored"]:
        told.append(f"{count_of(capture['unstored'], 'request')} could not be written to the file")
    if capture["refused"]:
        told.append(f"{count_of(capture['refused'], 'request')} turned away, unread")
    return f"{'; '.join(told)}." if told else ""


def expectation(data: Mapping[str, Any]) -> str:
    """Say in a sentence what was expected and whether it is so; empty where nothing was."""
    expected = data["expected"]
    if not expected:
        return ""
    wanted = "off" if expected["telemetry"] == "off" else "off or local"
    tools = data["tools"]
    loud = [name_of(each, tools) for each in tools if is_offending(each, expected)]
    return f"Expected: every tool {wanted}; {f'not so: {_listed(loud)}' if loud else 'it is so'}."
