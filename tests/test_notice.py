"""Tests of the notice's data against the notice's words, and of the questions to it."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import (  # type: ignore[import-untyped]  # it ships no types
    Draft202012Validator,
    ValidationError,
)

from tests.support.contract import AWS_REQUEST, CLI_CMD, DOCUMENT, NOTICE_TEXT, SESSION_PAYLOAD
from usagectl import notice
from usagectl.errors import UnknownEventError

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = {
    "name": "session",
    "metadata": {"session_id": SESSION_PAYLOAD["session_id"], "client_time": "1795410767"},
    "payload": SESSION_PAYLOAD,
}
EXAMPLES = {each["name"]: each for each in (SESSION, AWS_REQUEST, CLI_CMD)}

DOCUMENTED = {
    "session": "metadata.session_id metadata.client_time session_id machine_id api_key system"
    " version is_ci is_docker is_testing",
    "aws_request": "metadata.session_id metadata.client_time service operation status_code"
    " err_type err_msg stack_trace is_internal region account_id user_agent",
    "aws_request_agg": "metadata.session_id metadata.client_time api_calls api_calls.service"
    " api_calls.operation api_calls.status_code api_calls.count",
    "cli_cmd": "metadata.client_time cmd params",
    "run_init": "metadata.client_time stage scripts duration",
}
ADDED = {"cli_cmd": "version outcome duration_ms"}
UNDOCUMENTED = [
    *("config", "container_info", "ls_service_provider_assignment", "services_notimplemented"),
    *("deprecated_env_usage", "non_prefixed_cli_env_vars", "ls_metrics", "ls:usage_analytics"),
    *("cfn_stack_deploy_failures", "lambda:config", "infra_start", "infra_ready", "infra_stop"),
    *("ls_shutdown", "lstk_command", "lstk_lifecycle"),
]

# Facts, part 3: the number of each contradiction, and words that only its entry can do without.
CONTRADICTIONS = {
    "D01": "session ID",
    "D02": "configuration variables",
    "D03": "hash of the ID of the Docker daemon",
    "D04": "comes back unchanged after the cache directory was removed",
    "D05": "across sessions and projects",
    "D06": "type of the error",
    "D07": "the product and the edition",
    "D08": "kernel",
    "D09": "only init scripts",
    "D10": "anonymous",
    "D11": "stack trace",
    "D12": "activates a licence",
    "D13": "CI=false",
    "D14": "defaults included",
    "D15": "asks Docker for its ID",
    "D16": "has no prefix",
    "D17": "track_events",
    "D18": "notice's example",
    "D19": "LOCALSTACK_DISABLE_EVENTS",
}


def fold(text: str) -> str:
    """Join all runs of white space into one space."""
    return " ".join(text.split())


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON document."""
    if isinstance(node, dict):
        yield node
        for below in node.values():
            yield from walk(below)
    elif isinstance(node, list):
        for below in node:
            yield from walk(below)


def quotes() -> set[str]:
    """Return every sentence that the data quotes."""
    found = {each.get(key) for each in walk(DOCUMENT) for key in ("sentence", "x-sentence")}
    return {each for each in found if each is not None}


def sentences_of(blocks: list[str]) -> set[str]:
    """Return each sentence of some paragraphs or list items."""
    return {part for each in blocks for part in re.split(r"(?<=\.) (?=[A-Z])", fold(each))}


def put(event: dict[str, Any], pointer: str, value: object) -> dict[str, Any]:
    """Return a copy of an event with a value at a pointer; `*` is the first of a list."""
    changed = copy.deepcopy(event)
    *way, last = pointer.split("/")[1:]
    node: Any = changed
    for part in way:
        node = node[0] if part == "*" else node.setdefault(part, {})
    node[last] = value
    return changed


def drop(event: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    """Return a copy of an event without one field."""
    changed = copy.deepcopy(event)
    del changed[section][name]
    return changed


def allows(event: object) -> bool:
    """True if the notice allows an event; its own schema agrees with the whole."""
    whole = bool(Draft202012Validator(DOCUMENT).is_valid(event))
    names = [each.name for each in notice.load().events]
    alone = any(Draft202012Validator(notice.event_schema(each)).is_valid(event) for each in names)
    assert whole == alone
    return whole


def all_fields() -> list[notice.Field]:
    """Return every field of every event."""
    return [each for event in notice.all_events() for each in event.all_fields]


def test_the_data_quotes_the_notice_and_leaves_no_list_item_out() -> None:
    """What is quoted is a whole sentence, word for word; the counts show that each was found."""
    blocks = re.split(r"\n\n|^- ", NOTICE_TEXT, flags=re.MULTILINE)
    items = re.findall(r"^- (.*(?:\n  .*)*)", NOTICE_TEXT, re.MULTILINE)
    assert (len(items), len(sentences_of(items))) == (22, 24)
    assert sentences_of(items) <= quotes() <= sentences_of(blocks)
    assert [each for each in quotes() if each not in fold(NOTICE_TEXT)] == []


def test_each_schema_is_a_valid_schema() -> None:
    """The document and each event's schema are JSON Schema 2020-12."""
    assert DOCUMENT["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert DOCUMENT["$id"].startswith("urn:")
    Draft202012Validator.check_schema(DOCUMENT)
    for event in notice.load().events:
        Draft202012Validator.check_schema(notice.event_schema(event.name))


PLAIN_REQUEST = drop(drop(AWS_REQUEST, "payload", "err_type"), "payload", "err_msg")
TRACED = put(PLAIN_REQUEST, "/payload/stack_trace", "Traceback")
NEAR_MISSES = [
    put(SESSION, "/payload/edition", "pro"),
    put(SESSION, "/metadata/user", "x"),
    put(SESSION, "/extra", 1),
    put(SESSION, "/payload/is_ci", "false"),
    put(SESSION, "/payload/machine_id", 5),
    put(SESSION, "/payload/session_id", "not-a-uuid"),
    put(SESSION, "/metadata/client_time", 1795410767),
    drop(SESSION, "payload", "machine_id"),
    drop(SESSION, "metadata", "session_id"),
    put(AWS_REQUEST, "/payload/bucket", "x"),
    put(AWS_REQUEST, "/payload/status_code", "400"),
    put(AWS_REQUEST, "/payload/status_code", 200),
    put(AWS_REQUEST, "/payload/status_code", 500),
    put(AWS_REQUEST, "/payload/stack_trace", "Traceback"),
    put(TRACED, "/payload/status_code", 503),
    put(AWS_REQUEST, "/payload/account_id", "me"),
    put(AWS_REQUEST, "/metadata/client_time", "2022-08-30T12:27:25Z"),
    drop(AWS_REQUEST, "payload", "region"),
    drop(AWS_REQUEST, "metadata", "session_id"),
    put(CLI_CMD, "/metadata/session_id", SESSION_PAYLOAD["session_id"]),
    put(CLI_CMD, "/payload/values", ["x"]),
    put(CLI_CMD, "/payload/params", "file"),
    put(CLI_CMD, "/payload/params", ["docker-compose.yml"]),
    put(CLI_CMD, "/payload/params", [{"file": "x"}]),
    drop(CLI_CMD, "payload", "params"),
    drop(CLI_CMD, "metadata", "client_time"),
    put(CLI_CMD, "/name", "cli_command"),
    put(CLI_CMD, "/payload/version", 1.2),
    put(CLI_CMD, "/payload/outcome", "canary"),
    put(CLI_CMD, "/payload/duration_ms", 1.5),
    put(CLI_CMD, "/payload/duration_ms", -1),
]
ALLOWED = [
    *EXAMPLES.values(),
    drop(SESSION, "payload", "api_key"),
    put(SESSION, "/payload/api_key", ""),
    put(SESSION, "/metadata/client_time", "2022-08-30 12:27:25"),
    PLAIN_REQUEST,
    put(TRACED, "/payload/status_code", 500),  # The notice has it for errors inside LocalStack.
    put(CLI_CMD, "/payload/params", []),
    put(CLI_CMD, "/payload/version", "1.2.0"),
    put(put(CLI_CMD, "/payload/outcome", "usage"), "/payload/duration_ms", 0),
    *(each.example for each in notice.load().events),
]


def test_the_notice_allows_what_it_shows_and_no_near_miss() -> None:
    """An optional field may be absent; one change that the notice does not cover is enough."""
    assert [event for event in ALLOWED if not allows(event)] == []
    assert [event for event in NEAR_MISSES if allows(event)] == []


def test_an_undocumented_field_is_not_allowed_and_is_explained() -> None:
    """What clients send beyond the notice fails validation and has a departure."""
    fields = [each for event in notice.load().events for each in event.undocumented_fields]
    assert fields
    examples = {event.name: event.example or {} for event in notice.load().events}
    odd = [
        f"{each.event}.{each.name}"
        for each in fields
        if allows(put(examples[each.event], each.pointer, "x"))
        or not notice.departures_of(each.event, each.pointer)
    ]
    assert odd == []


def test_each_example_in_the_schema_fits_where_it_stands() -> None:
    """An example shows what its own schema allows."""
    checked = [each for each in walk(DOCUMENT["$defs"]) if "examples" in each]
    assert len(checked) > len(notice.all_events())
    for schema in checked:
        for example in schema["examples"]:
            try:
                Draft202012Validator(schema).validate(example)
            except ValidationError as error:
                pytest.fail(f"{schema['description']}: {error.message}")


def test_the_events_are_those_of_the_notice_and_the_facts() -> None:
    """They are written out here, so that none comes or goes unseen (facts, part 2)."""
    known = notice.load()
    assert notice.load() is known
    found = {event.name: " ".join(each.name for each in event.fields) for event in known.events}
    assert found == DOCUMENTED
    added = {
        event.name: " ".join(each.name for each in event.added_fields) for event in known.events
    }
    assert {name: names for name, names in added.items() if names} == ADDED
    assert [each.name for each in known.undocumented_events] == UNDOCUMENTED


def falsehoods(name: str, facts: dict[str, bool]) -> list[str]:
    """List the facts that are not true, with what they are about."""
    return [f"{name}: {fact}" for fact, is_true in facts.items() if not is_true]


def gaps(event: notice.Event) -> list[str]:
    """List what is missing for an event to be explained."""
    facts = {
        "meaning": event.meaning.endswith("."),
        "when": event.when.endswith("."),
        "endpoint": event.endpoint == ("session" if event.name == "session" else "events"),
        "tools": set(event.tools) in ({"localstack"}, {"lstk"}),
        "fields": event.documented == bool(event.fields),
        "sentence": event.documented == bool(event.sentence),
        "example": event.documented == bool(event.example),
        "all_fields": bool(event.all_fields),
        "found": notice.find_event(event.name) is event,
    }
    return falsehoods(event.name, facts)


def gaps_of_field(field: notice.Field) -> list[str]:
    """List what is missing for a field to be explained, and found by its typed name."""
    parts = [part for part in field.pointer.split("/")[1:] if part != "*"]
    is_added = field.name in ADDED.get(field.event, "").split()
    facts = {
        "type": bool(field.type),
        "meaning": field.meaning.endswith("."),
        "privacy": field.privacy in notice.load().privacy_classes,
        "sentence": field.documented == bool(field.sentence),
        "example": (field.documented or is_added) == (field.example is not None),
        "name": field.name in (".".join(parts), ".".join(parts[1:])),
        "section": field.name.startswith("metadata.") == field.pointer.startswith("/metadata/"),
        "found": notice.find_field(field.event, field.name) is field,
        "found in payload": notice.find_field(field.event, f"payload.{field.name}") is field,
        "described": notice.describe(field.event, field.pointer) is field,
    }
    return falsehoods(f"{field.event}.{field.name}", facts)


def test_each_event_and_each_field_is_complete() -> None:
    """All can be explained without a gap."""
    assert len(all_fields()) > len(notice.all_events()) > len(DOCUMENTED)
    assert [gap for event in notice.all_events() for gap in gaps(event)] == []
    assert [gap for field in all_fields() for gap in gaps_of_field(field)] == []


def test_names_and_ids_are_unique() -> None:
    """One name leads to one thing."""
    known = notice.load()
    for names in (
        [each.name for each in notice.all_events()],
        [each.id for each in known.departures],
        [each.title for each in known.departures],
        [each.id for each in (*known.never_collected, known.licence, known.switch)],
        [(each.event, each.name) for each in all_fields()],
        [(each.event, each.pointer) for each in all_fields()],
    ):
        assert len(set(names)) == len(names)


def test_every_privacy_class_is_used_and_explained() -> None:
    """The vocabulary is closed, and has no word too many."""
    classes = notice.load().privacy_classes
    assert {each.privacy for each in all_fields()} == set(classes)
    assert all(meaning.endswith(".") for meaning in classes.values())


def test_each_contradiction_of_the_facts_is_a_departure() -> None:
    """Facts, part 3, has nineteen, D01 is the first; an id is stable, since ids count up."""
    texts = {each.id: each.text for each in notice.load().departures}
    assert list(texts) == [f"D{number:02d}" for number in range(1, len(texts) + 1)]
    assert [number for number, words in CONTRADICTIONS.items() if words not in texts[number]] == []


def gaps_of_departure(departure: notice.Departure) -> list[str]:
    """List what is missing for a departure to be shown, unknown events and fields too."""
    events = [notice.find_event(each) for each in departure.events]
    pointers = [f"{field.pointer}/" for event in events for field in event.all_fields]
    facts = {
        "title": re.fullmatch(r"[^\n]+[^.\n]", departure.title) is not None,
        "text": departure.text.endswith("."),
        "evidence": departure.evidence in ("observed", "source"),
        "tools": set(departure.tools) in ({"localstack"}, {"lstk"}, {"localstack", "lstk"}),
        # Two tools count their versions apart, so a bound for both would mean nothing.
        "bounds": not (departure.since or departure.until) or len(departure.tools) == 1,
        "events": {tool for event in events for tool in event.tools} <= set(departure.tools),
        "fields": all(
            any(each.startswith(f"{wanted}/") for each in pointers) for wanted in departure.fields
        ),
    }
    return falsehoods(departure.id, facts)


def test_each_departure_is_complete() -> None:
    """A departure can be shown as it is, and speaks of known events and fields."""
    assert [gap for each in notice.load().departures for gap in gaps_of_departure(each)] == []


def test_each_undocumented_event_has_a_departure() -> None:
    """Audit can say about each of them that it is known."""
    numbers = {name: "D27" if name.startswith("lstk") else "D09" for name in UNDOCUMENTED}
    found = {name: {each.id for each in notice.departures_of(name, "")} for name in UNDOCUMENTED}
    assert [name for name, number in numbers.items() if number not in found[name]] == []


def test_the_promises_are_those_of_the_notice() -> None:
    """The last list of the notice, the CLI's two promises, the switch and the licence."""
    known = notice.load()
    assert [each.id for each in known.never_collected] == [
        "configuration-values",
        "s3-files",
        "call-parameters",
        "resource-names",
        "request-secrets",
        "parameter-values",
        "cli-unlinked",
    ]
    assert "`DISABLE_EVENTS=1`" in known.switch.sentence
    assert "regardless" in known.licence.sentence
    assert all(each.meaning for each in (*known.never_collected, known.switch, known.licence))


def test_an_unknown_event_is_told_with_the_known_ones() -> None:
    """A person who mistypes sees what there is; for a schema, what has one."""
    with pytest.raises(UnknownEventError) as caught:
        notice.find_event("cli-cmd")
    assert "'cli-cmd'" in caught.value.message
    assert all(each.name in caught.value.message for each in notice.all_events())
    assert caught.value.code == "unknown-event"
    for name in ("config", "nothing", ""):
        with pytest.raises(UnknownEventError, match=", ".join(DOCUMENTED)):
            notice.event_schema(name)


def test_a_field_is_found_by_what_a_person_types() -> None:
    """The payload need not be named, the metadata must; `gaps_of_field` asks for each by name."""
    assert notice.find_field("session", "session_id").pointer == "/payload/session_id"
    assert notice.find_field("session", "metadata.session_id").pointer == "/metadata/session_id"
    assert notice.find_field("session", "payload.api_key").privacy == "secret"
    assert notice.find_field("session", "edition").since == "4.2.0"
    assert notice.find_field("aws_request_agg", "api_calls.count").type == "integer"
    assert notice.find_field("session", "api_key").type == "string or null"


def test_an_unknown_field_is_told_with_the_known_ones() -> None:
    """The error names the event, the field and what the event has."""
    for name in ("", "session_id", "payload", "values", "params.0"):
        with pytest.raises(UnknownEventError) as caught:
            notice.find_field("cli_cmd", name)
        assert f"'cli_cmd.{name}'" in caught.value.message
        assert "metadata.client_time, cmd, params" in caught.value.message


PLACES: list[tuple[str, str, str | None]] = [
    ("session", "/payload/api_key", "api_key"),
    ("cli_cmd", "/payload/params/0", "params"),
    ("aws_request_agg", "/payload/api_calls/12/count", "api_calls.count"),
    ("aws_request_agg", "/payload/api_calls/0/err_type", "api_calls.err_type"),
    ("config", "/payload/env_vars/DEBUG", "env_vars"),
    ("config", "/metadata/session_id", "metadata.session_id"),
    ("ls_service_provider_assignment", "/payload/s3", "payload"),
    ("session", "/payload/user", None),
    ("session", "/payload/api_key/0", None),
    ("session", "/payload", None),
    ("session", "/name", None),
    ("session", "", None),
    ("aws_request_agg", "/payload/api_calls/0/user", None),
    ("nothing", "/payload/api_key", None),
]


def test_a_place_in_an_event_is_described() -> None:
    """Each place leads to the field it belongs to, and to none when nothing is known."""
    found = [(event, at, notice.describe(event, at)) for event, at, _ in PLACES]
    assert [(event, at, field.name if field else None) for event, at, field in found] == PLACES


DEPARTURES: list[tuple[str, str | None, str | None, str]] = [
    ("session", "/payload/product", None, "D07"),
    ("session", "/payload/product", "4.1.0", ""),
    ("session", "/payload/product", "4.2.0.dev", ""),
    ("session", "/payload/product", "4.2", "D07"),
    ("session", "/payload/product", "4.12.0:0a1b2c3", "D07"),
    ("session", "/payload/product", "1.0.5.dev", ""),
    ("session", "/payload/product", "unreadable", "D07"),
    ("session", "/payload/product", "", "D07"),
    ("session", "/payload/product", "9" * 5000, "D07"),  # longer than int() takes
    ("session", "/payload/edition", "2026.3.0", "D07 D21"),
    ("session", "/payload/container_runtime", "4.14.0", ""),
    ("session", "/payload/container_runtime", "2026.2.9", ""),
    ("session", "/payload/container_runtime", "2026.3.0", "D20"),
    ("session", "/payload/container_runtime", "2026.8.2", ""),
    ("session", "/payload/unknown", None, ""),
    ("session", "/payload", None, ""),
    ("cli_cmd", None, None, "D01 D14 D16 D17 D23 D24"),
    ("cli_cmd", "", None, "D16 D17"),
    ("config", "/payload/env_vars/DEBUG", None, "D02 D26"),
    ("aws_request_agg", "/payload/api_calls/7/err_type", None, "D06"),
    ("nothing", None, None, ""),
]


def test_departures_are_those_of_a_place_and_a_version() -> None:
    """A bound is part of the range, an unreadable version excludes nothing.

    Without a place all of an event come; with an empty one, those about the whole event.
    """
    found = [
        (*row[:3], " ".join(each.id for each in notice.departures_of(*row[:2], version=row[2])))
        for row in DEPARTURES
    ]
    assert found == DEPARTURES


def test_a_schema_that_was_given_out_is_the_callers_own() -> None:
    """Changing it changes nothing for the next caller."""
    schema = notice.event_schema("cli_cmd")
    schema.clear()
    properties = notice.event_schema("cli_cmd")["properties"]
    assert isinstance(properties, dict)
    properties.clear()
    assert notice.event_schema("cli_cmd")["properties"]


@given(st.text(), st.text())
def test_no_text_brings_anything_but_the_own_error(event: str, field: str) -> None:
    """Whatever a person types, the answer is a value or `UnknownEventError`."""
    for name in (event, "session", "ls_metrics"):
        try:
            assert notice.find_event(name).name == name
            found = notice.find_field(name, field)
            assert found.name in (field, field.removeprefix("payload."))
        except UnknownEventError as error:
            assert error.message  # noqa: PT017 - not raising is as good


@given(st.text(alphabet="0123456789.:+-dev "), st.text(alphabet="/*0ampylod~"))
def test_no_version_and_no_pointer_raises(version: str, pointer: str) -> None:
    """Versions and pointers come from foreign events, so they can be anything."""
    whole = notice.departures_of("session")
    assert set(notice.departures_of("session", pointer, version=version)) <= set(whole)
    notice.describe("session", pointer)
