"""Tests of declared event kinds: as data, and in the commands that read the notice."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from tests.support.commands import run_inside
from tests.support.contract import BUILT, CACHED
from usagectl import notice, spool
from usagectl.errors import UnknownEventError
from usagectl.events import kinds, schemas
from usagectl.events.kinds import Field, InvalidKindError, Kind
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine

EMPTY = Kind("my_tool_begun", "That it began.")
KINDS = (BUILT, CACHED, EMPTY)


def example_of(kind: Kind, **changes: object) -> bytes:
    """Return an event of a kind as its schema shows it, with other members in its payload."""
    (example,) = kind.schema()["examples"]
    return json.dumps({**example, "payload": {**example["payload"], **changes}}).encode()


@pytest.fixture
def registered(machine: Machine) -> Machine:
    """A machine on which a program has declared its kinds."""
    schemas = tuple(kind.schema("my-tool") for kind in KINDS)
    found = instrumented.Registration("my-tool", endpoint="http://127.0.0.1:9/v1", schemas=schemas)
    instrumented.register(machine.environment(), found)
    return machine


def test_a_kind_survives_as_a_schema() -> None:
    """Its JSON Schema is valid, allows its own example, and gives the kind back."""
    for kind in KINDS:
        schema = kind.schema("my-tool")
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(schema["examples"][0])
        assert not Draft202012Validator(schema).is_valid(json.loads(example_of(kind, extra=1)))
        assert kinds.from_schema(json.loads(json.dumps(schema))) == kind


def test_a_schema_has_the_form_of_the_notice() -> None:
    """The same members as the notice's own events and fields, and one that says it counts."""
    own, declared = notice.event_schema("run_init"), BUILT.schema("my-tool")
    assert declared.keys() - own.keys() == {"x-counter"}
    assert own.keys() - declared.keys() == {"$schema"}
    payload: Any = own["properties"]
    ours = declared["properties"]["payload"]["properties"]["seconds"]
    assert ours.keys() == payload["payload"]["properties"]["duration"].keys() - {"minimum"}


LABEL = Field("outcome", "string", "x", choices=("hit",))
TEXT = Field("a", "string", "x")
NUMBER = Field("a", "integer", "x")
PLAIN = Kind("my_tool_x", "x")
TAKEN = ("aws_request", "lstk_command", "ls:usage_analytics")

REFUSED: list[Any] = [
    *(PLAIN._replace(name=name) for name in (*TAKEN, "", "My_tool", "my tool", "a" * 65)),
    *(PLAIN._replace(description=text) for text in ("", "two\nlines", "\x1b[31mred", "x" * 401)),
    PLAIN._replace(when="\x00"),
    PLAIN._replace(fields=(LABEL, LABEL)),
    PLAIN._replace(fields=tuple(NUMBER._replace(name=f"f{n}") for n in range(33))),
    *(
        PLAIN._replace(fields=(field,))
        for field in (
            TEXT,
            *(TEXT._replace(choices=(text,)) for text in ("a\n", "", '"', "a" * 65)),
            TEXT._replace(privacy="error-text", choices=("a",)),
            NUMBER._replace(privacy="error-text"),
            NUMBER._replace(choices=("1",)),
            NUMBER._replace(privacy="secret"),  # type: ignore[arg-type]
            NUMBER._replace(description=""),
            NUMBER._replace(name="a-b"),
        )
    ),
    *(
        PLAIN._replace(fields=(label,), is_counter=True)
        for label in (
            NUMBER._replace(name="count"),
            NUMBER._replace(type="number"),
            LABEL._replace(is_list=True),
            LABEL._replace(is_optional=True),
        )
    ),
    *(PLAIN._replace(fields=fields) for fields in ("ab", NUMBER, iter([NUMBER]), None, 5)),  # type: ignore[arg-type]
    *(
        PLAIN._replace(fields=[TEXT._replace(choices=choices)])  # type: ignore[arg-type]
        for choices in ("hit", {"hit"}, iter(["hit"]), NUMBER, 5)
    ),
    tuple(PLAIN),
    None,
]


def test_an_open_or_ill_formed_kind_is_refused() -> None:
    """No open text, no name of the notice, nothing that a terminal would take for a command."""
    for kind in REFUSED:
        with pytest.raises(InvalidKindError) as caught:
            kinds.check(kind)
        assert caught.value.message.isprintable()
        assert caught.value.code == "invalid-kind"


def test_sequences_are_taken_as_sequences() -> None:
    """Lists make the same kind as tuples; one kind alone, a text or an iterator is refused."""
    listed = Kind("my_tool_x", "x", fields=[LABEL._replace(choices=["hit"])])
    tupled = Kind("my_tool_x", "x", fields=(LABEL,))
    assert kinds.of_author("my-tool", [listed]) == (tupled,)
    assert schemas.of("my_tool_x", [listed]).payload({"outcome": "hit"}) == b'{"outcome":"hit"}'
    odd: list[object] = [PLAIN, "my_tool_x", {PLAIN}, iter([PLAIN]), None, [None]]
    for each in odd:
        with pytest.raises(InvalidKindError):
            kinds.of_author("my-tool", each)


def test_a_kind_is_named_after_its_tool() -> None:
    """A program cannot declare another one's event."""
    assert [each.name for each in kinds.declare("my-tool", KINDS)] == [each.name for each in KINDS]
    for tool in ("my-too", "other", "my_tool_built"):
        with pytest.raises(InvalidKindError):
            kinds.declare(tool, (BUILT,))
    with pytest.raises(InvalidKindError):
        kinds.declare("My Tool", ())


def test_the_notice_knows_what_is_declared() -> None:
    """Found, described and given out as the notice's own events are, until the context ends."""
    before = notice.load()
    with notice.declared(kinds.declare("my-tool", KINDS)):
        found = notice.find_event("my_tool_built")
        assert found.documented
        assert found.tools == ("my-tool",)
        assert found.when == "After each build."
        assert [each.name for each in found.fields][:2] == ["metadata.client_time", "seconds"]
        described = notice.describe("my_tool_cached", "/payload/counts/7/outcome")
        assert described is not None
        assert described.meaning == "What it found. One of: hit, miss."
        assert notice.find_field("my_tool_built", "targets").type == "array of string"
        Draft202012Validator.check_schema(notice.event_schema("my_tool_cached"))
        assert notice.load().declared_events == tuple(
            map(notice.find_event, [each.name for each in KINDS])
        )
        assert notice.load().events == before.events
    assert notice.load() is before
    with pytest.raises(UnknownEventError):
        notice.find_event("my_tool_built")


def test_the_first_declaration_of_a_name_counts() -> None:
    """Neither the notice's events nor another program's can be redefined; nesting adds."""
    other = BUILT._replace(description="Another.")
    forged = notice.Declaration("session", other.schema("my-tool"))
    with notice.declared(kinds.declare("my-tool", (BUILT,))):
        with notice.declared([*kinds.declare("my", (other, CACHED)), forged]):
            assert notice.find_event("my_tool_built").meaning == BUILT.description
            assert notice.find_event("my_tool_cached").tools == ("my",)
            assert notice.find_event("session").tools == ("localstack",)
            assert notice.event_schema("session")["title"] == "Session"
        assert len(notice.load().declared_events) == 1


def test_other_threads_know_nothing_of_it() -> None:
    """What one command declares is not seen by whatever else runs in the process."""
    seen: list[int] = []
    with notice.declared(kinds.declare("my-tool", KINDS)):
        thread = threading.Thread(target=lambda: seen.append(len(notice.load().declared_events)))
        thread.start()
        thread.join()
    assert seen == [0]


def places(value: object, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the way to every value of a document."""
    yield way
    if isinstance(value, dict):
        for key, below in value.items():
            yield from places(below, (*way, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places(below, (*way, index))


def replaced(value: Any, way: tuple[str | int, ...], other: object) -> Any:  # noqa: ANN401
    """Return a document with one value replaced; None leaves it out."""
    if not way:
        return other
    found = json.loads(json.dumps(value))
    node = found
    for part in way[:-1]:
        node = node[part]
    if other is None:
        del node[way[-1]]
    else:
        node[way[-1]] = other
    return found


JUNK: st.SearchStrategy[object] = st.sampled_from(
    [None, 5, "", "x" * 500, "\x1b[2J", [], ["x"], {}, {"type": "object"}, True, 1e308, [[[]]]]
)
WHOLE = {kind.name: kind.schema("my-tool") for kind in KINDS}


@given(st.sampled_from(KINDS), st.data())
def test_a_schema_that_somebody_edited_is_read_or_refused(kind: Kind, data: st.DataObject) -> None:
    """Any one value of it, or the whole, replaced by any other: a kind comes out, or one error."""
    way = data.draw(st.sampled_from(list(places(WHOLE[kind.name]))))
    edited = replaced(WHOLE[kind.name], way, data.draw(JUNK))
    try:
        found = kinds.from_schema(edited)
    except InvalidKindError:
        return
    Draft202012Validator.check_schema(found.schema())


def test_explain_knows_declared_kinds(registered: Machine) -> None:
    """By name, by field, and in the list, where they are told from the notice's own."""
    environment = registered.environment()
    event = run_inside(environment, "explain", "my_tool_built")
    assert event.status == 0
    assert "my_tool_built [DECLARED BY ITS PROGRAM]" in event.stdout
    assert "How it ended. One of: ok, has failed, x-1.0." in event.stdout
    assert "my-tool" in event.stdout
    field = run_inside(environment, "explain", "my_tool_cached.counts.outcome", "--json")
    assert field.data["field"]["meaning"].startswith("What it found.")
    whole = run_inside(environment, "explain", "--json").data
    assert [each["name"] for each in whole["declared_events"]] == [each.name for each in KINDS]
    assert "my_tool_built" not in [each["name"] for each in whole["events"]]
    assert "How often the cache served." in run_inside(environment, "explain").stdout


def findings(machine: Machine, *events: bytes) -> list[tuple[str, str]]:
    """Audit events, and list the rules and the places of what is found."""
    (machine.cwd / "events.jsonl").write_bytes(b"\n".join(events) + b"\n")
    outcome = run_inside(
        machine.environment(), "audit", "events.jsonl", "--json", "--fail-on", "never"
    )
    return [(each["name"], each["field"]) for each in outcome.data["findings"]]


def test_audit_holds_declared_kinds_to_their_declaration(registered: Machine) -> None:
    """What was declared is in order; a field too many, a wrong type or choice is not."""
    failed = example_of(BUILT, reason="The file is too long to be read in one go.")
    assert findings(registered, *map(example_of, KINDS), failed) == []
    counts = [{"outcome": "hit", "is_warm": True, "count": 0}]
    for event, rule, place in (
        (example_of(BUILT, seconds="1"), "wrong-type", "seconds"),
        (example_of(BUILT, extra=1), "undocumented-field", "extra"),
        (example_of(BUILT, result="okay"), "wrong-format", "result"),
        (example_of(BUILT, targets=["docx"]), "wrong-format", "targets/*"),
        (example_of(CACHED, counts=counts), "wrong-format", "counts/*/count"),
    ):
        assert findings(registered, event) == [(rule, f"/payload/{place}")]


def test_preview_describes_declared_kinds(registered: Machine) -> None:
    """When it is recorded and what each member is; nothing in it is outside the contract."""
    environment = registered.environment()
    spool.append(environment, example_of(BUILT), tool="my-tool", kind=BUILT.name)
    shown = run_inside(environment, "preview", "my-tool", "--waiting", "--if-enabled").stdout
    assert "my_tool_built: After each build." in shown
    assert "How long it took." in shown
    assert "NOT IN THE NOTICE" not in shown


def test_what_nobody_declared_is_unknown(machine: Machine) -> None:
    """On a machine without the program its event is undocumented; nothing is left of another's."""
    assert run_inside(machine.environment(), "explain", "--json").data["declared_events"] == []
    assert run_inside(machine.environment(), "explain", "my_tool_built").status == 2
    assert ("undocumented-event", "") in findings(machine, example_of(BUILT))


def test_a_registration_that_somebody_spoiled_stops_no_command(registered: Machine) -> None:
    """A schema that cannot be understood is left out, the others stay."""
    file = registered.state_dir / "tools" / "my-tool.json"
    document = json.loads(file.read_text())
    document["kinds"] += [{}, {"properties": 5}, {**WHOLE["my_tool_built"], "description": "\x1b"}]
    document["kinds"].append(
        replaced(WHOLE["my_tool_begun"], ("properties", "name", "const"), "session")
    )
    file.write_text(json.dumps(document))
    whole = run_inside(registered.environment(), "explain", "--json").data
    assert len(whole["declared_events"]) == 3
    assert findings(registered, example_of(BUILT)) == []
