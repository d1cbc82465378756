"""Own the notice as a tree that events are laid against: one node for each place in an event.

Compiled once for an audit. A node remembers what stood there and was found in order,
so that the next event of the same form costs little; what it remembers is bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl import notice
from usagectl.audit.rules import EXEMPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.audit.findings import Tally
    from usagectl.notice import Event, Field

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_WORDS = ("name", "my_name", "my-name", "Name", "my.name", "f" * 12)
_NAMES_ALONE = ("/payload/set_vars", "/payload/deprecated_env_vars", "/payload/env_vars/*")


class Plan(NamedTuple):
    """Hold what an object with certain keys holds: its findings, and the node of each key."""

    tallies: tuple[tuple[Tally, str], ...]
    children: tuple[Node, ...]


class Node:
    """Hold what the notice says about one place of an event, and what was seen there.

    Attributes:
        event: the event's name.
        pointer: the place, with `*` for an index or an unbounded key.
        field: what is known of it; None where only the place is known.
        is_documented: whether the notice names it.
        is_known: whether it is known at all.
        types: what a value may be; None: anything.
        role: the privacy class where it asks for a rule of its own, else empty.
        fullmatch: matches a text that is in the documented format.
        is_id: whether it holds an ID that ties events together.
        is_tight: whether nothing but a number, a time or an ID has that format.
        accepts: tells of a text at a glance that it is in order; where the format is tight and
            no ID stands, the format alone decides, else what is remembered.
        good: texts that stood here and were in order.
        good_objects: objects that did, as they were written.
        free: types whose every value is in order.
        span: whole numbers that are in order.
        exempt: rules about what a text looks like that do not hold here.
    """

    __slots__ = (
        "accepts",
        "any_key",
        "children",
        "event",
        "exempt",
        "field",
        "free",
        "fullmatch",
        "good",
        "good_objects",
        "is_documented",
        "is_id",
        "is_known",
        "is_tight",
        "item",
        "limits",
        "plans",
        "pointer",
        "required",
        "role",
        "span",
        "types",
    )

    def __init__(self, event: str, pointer: str, *, is_documented: bool, is_known: bool) -> None:
        self.event = event
        self.pointer = pointer
        self.is_documented = is_documented
        self.is_known = is_known
        self.field: Field | None = None
        self.types: frozenset[type] | None = None
        self.free: frozenset[type] = frozenset((int, float, bool, type(None)))
        self.span = range(0)
        self.exempt = EXEMPT.get((event, pointer), ())
        self.children: dict[str, Node] = {}
        self.any_key: Node | None = None
        self.item: Node | None = None
        self.required: tuple[str, ...] = ()
        self.limits: tuple[float, float] | None = None
        self.fullmatch: Callable[[str], object] | None = None
        self.is_tight = False
        self.role = ""
        self.is_id = pointer.endswith(("/session_id", "/machine_id", "/api_key", "/auth_token_id"))
        self.good: set[str] = set()
        self.accepts: Callable[[str], object] = self.good.__contains__
        self.good_objects: set[bytes] = set()
        self.plans: dict[tuple[str, ...], Plan] = {}

    @property
    def is_open(self) -> bool:
        """Tell whether nothing is known of what stands below."""
        return not self.children and self.any_key is None and self.item is None

    def below(self, key: str) -> Node | None:
        """Return the node of a key, None when nothing is known of it."""
        return self.children.get(key, self.any_key)


def compile_events() -> dict[str, Node]:
    """Build the tree of every event that is known, by name."""
    known = notice.load()
    documented = known.events + known.declared_events
    trees = {event.name: _documented(event) for event in documented}
    trees.update((event.name, _undocumented(event)) for event in known.undocumented_events)
    return trees


def open_event(name: str) -> Node:
    """Build the tree of an event that nothing is known of."""
    return Node(name, "", is_documented=False, is_known=False)


def _documented(event: Event) -> Node:
    fields = {field.pointer: field for field in event.fields}
    root = _from_schema(event.name, "", notice.event_schema(event.name), fields)
    for field in event.undocumented_fields:
        _plant(root, field)
    return root


def _undocumented(event: Event) -> Node:
    root = Node(event.name, "", is_documented=False, is_known=True)
    for name in ("name", "metadata", "payload"):
        root.children[name] = Node(event.name, f"/{name}", is_documented=False, is_known=True)
    for field in event.undocumented_fields:
        _plant(root, field)
    return root


def _from_schema(
    event: str, pointer: str, schema: Mapping[str, object], fields: Mapping[str, Field]
) -> Node:
    node = Node(event, pointer, is_documented=True, is_known=True)
    node.field = fields.get(pointer)
    _constrain(node, schema)
    below = schema.get("properties", {})
    for key, child in below.items() if isinstance(below, dict) else ():
        node.children[key] = _from_schema(event, f"{pointer}/{key}", child, fields)
    item = schema.get("items")
    if isinstance(item, dict):
        node.item = _from_schema(event, f"{pointer}/*", item, fields)
    required = schema.get("required", [])
    node.required = tuple(map(str, required)) if isinstance(required, list) else ()
    if node.field is not None and node.field.privacy == "derived-id":
        node.role = "derived-id"
    elif schema.get("x-emit") == "scrubbed":
        node.exempt = (*node.exempt, "UC306")  # The text of an error may stand here.
    return node


def _constrain(node: Node, schema: Mapping[str, object]) -> None:
    kinds = schema.get("type", "string" if "const" in schema else None)
    names = kinds if isinstance(kinds, list) else [kinds]
    node.types = frozenset(kind for name in names for kind in _TYPES[str(name)])
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, (int, float)) or isinstance(high, (int, float)):
        node.limits = (
            low if isinstance(low, (int, float)) else float("-inf"),
            high if isinstance(high, (int, float)) else float("inf"),
        )
    node.free = node.types & {bool, type(None)}
    if node.limits is None:
        node.free |= node.types & {int, float}
    elif int in node.types and isinstance(low, int) and isinstance(high, int):
        node.span = range(low, high + 1)
    pattern = schema.get("pattern")
    choices = schema.get("enum")
    if isinstance(choices, list):  # Of a declared kind; the notice has none.
        pattern = "|".join(re.escape(str(each)) for each in choices)
    if isinstance(pattern, str):
        node.fullmatch = re.compile(pattern.removeprefix("^").removesuffix("$")).fullmatch
        is_tight = not any(map(node.fullmatch, _WORDS))
        node.is_tight = is_tight
        if is_tight and not node.is_id:
            node.accepts = node.fullmatch


def _plant(root: Node, field: Field) -> None:
    """Put a known but undocumented field into its place, and the places on the way to it."""
    node = root
    parts = field.pointer.split("/")[1:]
    for depth, part in enumerate(parts, start=1):
        node = _step(node, part, "/" + "/".join(parts[:depth]))
    node.field = field
    node.role = _role(field)
    if node.role == "configuration":  # A number tells a setting's value as a text does.
        node.free = frozenset((type(None),))


def _step(node: Node, part: str, pointer: str) -> Node:
    child = Node(node.event, pointer, is_documented=False, is_known=True)
    if part == "*" and node.pointer == "/payload":  # Any key of the payload itself.
        node.any_key = node.any_key or child
        return node.any_key
    if part == "*":
        node.item = node.item or child
        return node.item
    return node.children.setdefault(part, child)


def _role(field: Field) -> str:
    if field.privacy == "configuration" and field.pointer not in _NAMES_ALONE:
        is_names = field.event == "non_prefixed_cli_env_vars"
        return "" if is_names else "configuration"
    if field.privacy == "error-text" and not field.pointer.endswith(
        ("/c", "/error_code", "err_type")
    ):
        return "error-text"
    return field.privacy if field.privacy in ("derived-id", "secret") else ""
