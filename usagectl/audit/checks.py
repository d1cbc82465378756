"""Checks of one event: laid against the notice place by place, each text searched once.

The notice is compiled into a tree, a node for each place in an event. What stands where
the notice says nothing is searched all the same.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from usagectl.audit.findings import CLI, SharedIds, clean
from usagectl.audit.rules import EXEMPT, INSTEAD
from usagectl.audit.search import VERSION_PLACE, Hit, is_free_text
from usagectl.notice import all_events
from usagectl.notice import load as load_notice
from usagectl.sensitive import names_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from usagectl.audit.findings import Ledger
    from usagectl.audit.search import Context
    from usagectl.notice import Default, Field

_IDS = ("/session_id", "/machine_id")
_MOST_REMEMBERED = 4096
_LONGEST_REMEMBERED = 256
_LONGEST_KEY = 80

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


@dataclass(slots=True, eq=False)
class Node:
    """One place of an event, and what the notice says about it."""

    event: str
    pointer: str = ""  # The place, with `*` for an index or an unbounded key.
    is_documented: bool = False  # The notice names it.
    is_observed: bool = False  # Clients are known to send it; the notice does not name it.
    rule: str = ""  # The rule that its mere presence breaks; empty: none.
    types: frozenset[type] | None = None  # What a value may be; None: anything.
    limits: tuple[float, float] | None = None  # The least and the greatest number.
    fullmatch: Callable[[str], object] | None = None  # Matches the documented format.
    is_tight: bool = False  # Only numbers, times or IDs have that format.
    role: str = ""  # The privacy class if it asks for a rule of its own, else empty.
    default: Default | None = None  # What stands there of a setting that is not set.
    children: dict[str, Node] = field(default_factory=dict)
    any_key: Node | None = None  # The place below it for every other key.
    item: Node | None = None  # The place of each of its items.
    required: tuple[str, ...] = ()
    is_id: bool = field(init=False)  # It holds an ID that ties events together.
    exempt: tuple[str, ...] = field(init=False)  # Rules on texts that do not hold here.
    harmless: set[str] = field(default_factory=set)  # Texts that stood here and broke no rule.

    def __post_init__(self) -> None:
        self.is_id = self.pointer.endswith((*_IDS, "/api_key", "/auth_token_id"))
        self.exempt = EXEMPT.get((self.event, self.pointer), ())

    def remember(self, text: str) -> None:
        """Remember a harmless text: whoever audits a full spool waits 5 s, and 12 s without it."""
        if len(text) <= _LONGEST_REMEMBERED:
            if len(self.harmless) >= _MOST_REMEMBERED:
                self.harmless.clear()
            self.harmless.add(text)


def compile_events() -> dict[str, Node]:
    """Build the tree of every event that is known, by name."""
    known = load_notice()
    trees = {}
    for event in known.events + known.declared_events:
        fields = {each.pointer: each for each in event.fields}
        trees[event.name] = _from_schema(event.name, "", known.schemas[event.name], fields)
    for event in known.undocumented_events:
        parts = {
            name: Node(event.name, f"/{name}", is_observed=True)
            for name in ("name", "metadata", "payload")
        }
        trees[event.name] = Node(event.name, is_observed=True, children=parts)
    for event in all_events():
        for each in event.undocumented_fields:
            _plant(trees[event.name], each)
    return trees


def _from_schema(
    event: str, pointer: str, schema: Mapping[str, Any], fields: Mapping[str, Field]
) -> Node:
    node = Node(event, pointer, is_documented=True, required=tuple(schema.get("required", ())))
    _constrain(node, schema)
    for key, child in schema.get("properties", {}).items():
        node.children[key] = _from_schema(event, f"{pointer}/{key}", child, fields)
    if "items" in schema:
        node.item = _from_schema(event, f"{pointer}/*", schema["items"], fields)
    if pointer in fields and fields[pointer].privacy == "derived-id":
        node.role = "derived-id"
    elif schema.get("x-emit") == "scrubbed":
        node.exempt = (*node.exempt, "UC306")  # The text of an error may stand here.
    return node


def _constrain(node: Node, schema: Mapping[str, Any]) -> None:
    kinds = schema.get("type", "string")  # A constant has none.
    names = kinds if isinstance(kinds, list) else [kinds]
    node.types = frozenset(kind for name in names for kind in _TYPES[name])
    if "minimum" in schema or "maximum" in schema:
        node.limits = (schema.get("minimum", -math.inf), schema.get("maximum", math.inf))
    pattern = schema.get("pattern")
    if "enum" in schema:  # Of a declared kind, or of a field of ours; the notice has none.
        pattern = "|".join(re.escape(str(each)) for each in schema["enum"])
    if pattern is not None:
        node.fullmatch = re.compile(pattern.removeprefix("^").removesuffix("$")).fullmatch
        node.is_tight = not any(map(node.fullmatch, _WORDS))


def _plant(root: Node, planted: Field) -> None:
    """Put a known but undocumented field into its place, and the places on the way to it."""
    node = root
    for part in planted.pointer.split("/")[1:]:
        node = _step(node, part)
    node.role = _role(planted)
    defaults = (each for each in load_notice().defaults if each.event == planted.event)
    node.default = next((each for each in defaults if each.field == planted.pointer), None)


def _step(node: Node, part: str) -> Node:
    """Return the place below a node, a new one where there was none."""
    pointer = f"{node.pointer}/{part}"
    rule = INSTEAD.get((node.event, pointer), "UC102" if node.is_documented else "")
    child = Node(node.event, pointer, is_observed=True, rule=rule)
    if part == "*" and node.pointer == "/payload":  # Any key of the payload itself.
        node.any_key = node.any_key or child
        return node.any_key
    if part == "*":
        node.item = node.item or child
        return node.item
    return node.children.setdefault(part, child)


def _role(planted: Field) -> str:
    if planted.privacy == "configuration" and planted.pointer not in _NAMES_ALONE:
        is_names = planted.event == "non_prefixed_cli_env_vars"
        return "" if is_names else "configuration"
    if planted.privacy == "error-text" and not planted.pointer.endswith(
        ("/c", "/error_code", "err_type")
    ):
        return "error-text"
    return planted.privacy if planted.privacy in ("derived-id", "secret") else ""


class Checker:
    """Checks of events against their trees, written into a ledger."""

    def __init__(self, context: Context, ledger: Ledger) -> None:
        self.ids = SharedIds(ledger)
        self._ledger = ledger
        self._context = context
        self._search = context.search

    def walk(self, node: Node, members: Mapping[str, object]) -> None:
        """Check an object against a node of which something is known."""
        for key, value in members.items():
            child = node.children.get(key) or node.any_key or self._new_place(node, key)
            if child.rule:
                self._ledger.add(child.rule, node.event, child.pointer, value)
            self._check(child, value)
        for key in node.required:
            if key not in members:
                self._ledger.add("UC104", node.event, f"{node.pointer}/{key}")

    def _new_place(self, node: Node, key: str) -> Node:
        """Make the node of a key that is not known there."""
        pointer = self._name_place(node, node.pointer, key)
        role = "secret" if names_secret(key) else ""
        rule = INSTEAD.get((node.event, pointer), "UC102")
        return Node(node.event, pointer, rule=rule, role=role)

    def _check(self, node: Node, value: object) -> None:
        """Check any value against a node."""
        if isinstance(value, str):
            if value not in node.harmless:
                self._check_text(node, value)
        elif node.types and type(value) not in node.types and not _is_whole(node.types, value):
            self._ledger.add("UC103", node.event, node.pointer, value)
            self.below(node, value)
        elif isinstance(value, dict) and (node.children or node.any_key or node.item):
            self.walk(node, value)
        elif isinstance(value, list) and node.item is not None:
            for item in value:
                self._check(node.item, item)
        elif isinstance(value, (dict, list)):
            self.below(node, value)
        elif value is not None:
            self._check_number(node, value)

    def _check_number(self, node: Node, value: object) -> None:
        if node.limits is not None and isinstance(value, (int, float)):
            low, high = node.limits
            if not (low <= value <= high or isinstance(value, bool)):
                self._ledger.add("UC105", node.event, node.pointer, value)
        if node.role == "configuration":
            self._ledger.add("UC301", node.event, node.pointer, value)

    def _check_text(self, node: Node, text: str) -> None:
        """Check a text against a node; search it unless it is a number, a time or an ID."""
        departure = ""
        if node.types is not None and str not in node.types:
            departure = "UC103"
        elif node.fullmatch is not None and not node.fullmatch(text):
            departure = "UC105"
        if departure:
            self._ledger.add(departure, node.event, node.pointer, text)
        is_plain = node.is_tight and not departure
        may_tie = node.is_id or (node.event == CLI and not is_plain)
        # An ID counts each time that it comes, so it is not remembered.
        is_id = may_tie and self.ids.see(node.event, node.pointer, text)
        if is_plain:
            return
        is_harmless = self._judge(node, text, pointer=node.pointer, exempt=node.exempt)
        if is_harmless and not departure and not is_id:
            node.remember(text)

    def _judge(self, node: Node, text: str, *, pointer: str, exempt: Sequence[str]) -> bool:
        """Write down what a text gives away; True if that is nothing."""
        hits = [*self._by_role(node, text), *self._search(text)]
        if not hits:
            return True
        found: dict[tuple[str, str], str] = {}
        for hit in hits:
            if hit.rule not in exempt:
                found.setdefault((hit.rule, hit.part), hit.match)
        named = {rule for rule, _ in found}
        for (rule, part), match in found.items():
            if rule == "UC306" and "UC305" in named:
                continue  # A trace is text as well.
            if rule == "UC504" and named & {"UC302", "UC402"}:
                continue  # The same token, reported already.
            if rule == "UC502" and "." in match and VERSION_PLACE.search(pointer):
                continue  # Four numbers are a version where one is expected.
            self._ledger.add(rule, node.event, pointer, match, part)
        return not found

    def _by_role(self, node: Node, text: str) -> Iterator[Hit]:
        if not text:
            return
        if node.role == "configuration":
            if node.default is None or self._context.is_set(node.default, text):
                yield Hit("UC301", text)
        elif node.role == "secret":
            yield Hit("UC302", text)
        elif node.role == "derived-id" and self._context.has_derived(text):
            yield Hit("UC303", text)
        if node.role == "error-text" or (not node.is_observed and is_free_text(text)):
            yield Hit("UC306", text)

    def gives_away(self, text: str) -> bool:
        """True if a name holds something that is not to be shown."""
        return bool(self._search(text))

    def below(self, node: Node, value: object) -> None:
        """Search everything in a value of which nothing more is known."""
        waiting = [(node.pointer, value)]
        while waiting:
            place, each = waiting.pop()
            if isinstance(each, dict):
                found = [(self._name_place(node, place, key), item) for key, item in each.items()]
                waiting += reversed(found)
            elif isinstance(each, list):
                waiting += reversed([(f"{place}/*", item) for item in each])
            elif isinstance(each, str):
                self._search_leaf(node, place, each)
            elif node.role == "configuration" and each is not None:
                self._ledger.add("UC301", node.event, place, each)

    def _search_leaf(self, node: Node, place: str, text: str) -> None:
        if node.event == CLI or place.endswith(_IDS):
            self.ids.see(node.event, place, text)
        self._judge(node, text, pointer=place, exempt=EXEMPT.get((node.event, place), ()))
        if text and node.role != "secret" and names_secret(place.rpartition("/")[2]):
            self._ledger.add("UC302", node.event, place, text)

    def _name_place(self, node: Node, place: str, key: str) -> str:
        """Name a place below another; a key that gives something away is a finding, and hidden."""
        hits = self._search(key)
        for rule, match, part in hits:
            self._ledger.add(rule, node.event, f"{place}/*", match, part)
        return _place_below(place, key, is_hidden=bool(hits))

    def place_below(self, place: str, key: str) -> str:
        """Name a place below another, as far as the key may be shown."""
        return _place_below(place, key, is_hidden=self.gives_away(key))


def _place_below(place: str, key: str, *, is_hidden: bool) -> str:
    if is_hidden or len(place) > 4 * _LONGEST_KEY:
        return place if place.endswith("/*") else f"{place}/*"
    return f"{place}/{clean(key, most=_LONGEST_KEY).replace('~', '~0').replace('/', '~1')}"


def _is_whole(types: frozenset[type], value: object) -> bool:
    """True for a whole number that is written with a point, such as 3.0."""
    return isinstance(value, float) and int in types and value.is_integer()
