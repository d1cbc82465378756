"""Own how one event is laid against the notice, and how its texts are searched.

The walk is written for many events of few forms: what stood in a place and was in
order is remembered there, and an object's keys lead to a plan made once. Whatever
was not seen before goes the slow way, so nothing is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AnyStr

from usagectl.audit.masking import clean
from usagectl.audit.patterns import (
    DERIVED_ID,
    SHAPES,
    is_free_text,
    is_uuid,
    may_tell,
    names_secret,
)
from usagectl.audit.rules import EXEMPT, INSTEAD
from usagectl.audit.tree import Node, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.audit.context import Context
    from usagectl.audit.findings import Ledger, Tally
    from usagectl.audit.sharing import SharedIds

_MOST_REMEMBERED = 4096
_LONGEST_REMEMBERED = 256
_MOST_PLANS = 256
_LONGEST_KEY = 80

CLI = "cli_cmd"

Hit = tuple[str, str, str]
"""A rule, what matched, and which typed word that is."""


class Checker:
    """Lay events against their trees and write what departs into a ledger."""

    def __init__(self, context: Context, ledger: Ledger, ids: SharedIds) -> None:
        self._context = context
        self._ledger = ledger
        self._ids = ids
        self._finder = context.finder()
        self._values = tuple({text.casefold() for _, texts in context.values for text in texts})
        self._clean: set[str] = set()

    def walk(self, node: Node, event: dict[str, object]) -> None:
        """Lay an object against a node of which something is known."""
        keys = tuple(event)
        plan = node.plans.get(keys) or self.plan(node, keys)
        for tally, key in plan.tallies:
            self._ledger.count(tally, event.get(key))
        for child, value in zip(plan.children, event.values()):  # noqa: B905  (each event)
            if type(value) is str:
                if not child.accepts(value):
                    self.text(child, value)
            elif type(value) in child.free:
                continue
            elif type(value) is dict and child.children:
                self.walk(child, value)
            elif type(value) is list and child.item is not None:
                self._items(child.item, value)
            elif type(value) is not int or value not in child.span:
                self.value(child, value)

    def _items(self, node: Node, values: list[object]) -> None:
        if not node.children and _are_all_in(node.good, values):
            return
        for value in values:
            if type(value) is dict and node.children:
                self.walk(node, value)
            elif type(value) is not str or value not in node.good:
                self.value(node, value)

    def value(self, node: Node, value: object) -> None:
        """Lay any value against a node."""
        if isinstance(value, str):
            self.text(node, value)
        elif node.types is not None and not _is_of(node.types, value):
            self._ledger.add("UC103", node.event, node.pointer, value)
            self.below(node, value)
        elif isinstance(value, dict) and not node.is_open:
            self.walk(node, value)
        elif isinstance(value, list) and node.item is not None:
            self._items(node.item, value)
        elif isinstance(value, (dict, list)):
            self.below(node, value)
        else:
            self._number(node, value)

    def _number(self, node: Node, value: object) -> None:
        if value is None:
            return
        if node.limits is not None and isinstance(value, (int, float)):
            low, high = node.limits
            if not (low <= value <= high or isinstance(value, bool)):
                self._ledger.add("UC105", node.event, node.pointer, value)
        if node.role == "configuration":
            self._ledger.add("UC301", node.event, node.pointer, value)

    def text(self, node: Node, text: str) -> None:
        """Lay a text against a node, and remember it where it is in order."""
        departure = ""
        if node.types is not None and str not in node.types:
            departure = "UC103"
        elif node.fullmatch is not None and not node.fullmatch(text):
            departure = "UC105"
        elif node.is_tight:
            if node.is_id:
                self._ids.see(node.event, node.pointer, text)
                remember(node.good, text)
            return
        if departure:
            self._ledger.add(departure, node.event, node.pointer, text)
        may_tie = node.is_id or node.event == CLI
        is_id = may_tie and self._ids.see(node.event, node.pointer, text)
        hits = self._hits(text)
        is_good = self._judge(node, text, hits, pointer=node.pointer, exempt=node.exempt)
        # What ties a CLI event to others counts each time, so it is not remembered.
        if is_good and not departure and not (is_id and node.event == CLI):
            remember(node.good, text)

    def _judge(
        self, node: Node, text: str, hits: Sequence[Hit], *, pointer: str, exempt: Sequence[str]
    ) -> bool:
        """Write down what a text holds; tell whether that was nothing."""
        if not (hits or node.role) and ("UC306" in exempt or not is_free_text(text)):
            return True
        found = {
            (rule, part): match
            for rule, match, part in (*self._by_role(node, text), *hits)
            if rule not in exempt
        }
        named = {rule for rule, _ in found}
        for (rule, part), match in found.items():
            if rule == "UC306" and "UC305" in named:
                continue  # A trace is text as well.
            if rule == "UC504" and named & {"UC302", "UC402"}:
                continue  # The same token, told of before.
            self._ledger.add(rule, node.event, pointer, match, part)
        return not found

    def _by_role(self, node: Node, text: str) -> Iterator[tuple[str, str, str]]:
        if not text:
            return
        if node.role == "configuration":
            yield "UC301", text, ""
        elif node.role == "secret":
            yield "UC302", text, ""
        elif node.role == "derived-id" and self._is_derived(text):
            yield "UC303", text, ""
        if node.role == "error-text" or (
            (node.is_documented or not node.is_known) and is_free_text(text)
        ):
            yield "UC306", text, ""

    def _is_derived(self, text: str) -> bool:
        return DERIVED_ID.fullmatch(text) is not None or text in self._context.derived_ids

    def _hits(self, text: str) -> list[Hit]:
        """Find values of this machine and telling shapes."""
        found = self._values_in(text)
        if is_uuid(text):
            return found  # It looks like nothing else, whatever it is.
        if may_tell(text):
            taken = {match for _, match, _ in found}
            for rule, find in SHAPES:
                found += [(rule, match, "") for match in find(text) if match not in taken]
        return found

    def _hits_once(self, text: str) -> list[Hit]:
        """Find the same where no node remembers that a text is in order."""
        if text in self._clean:
            return []
        found = self._hits(text)
        if not found:
            remember(self._clean, text)
        return found

    def _values_in(self, text: str) -> list[Hit]:
        if self._finder is None:
            return []
        lowered = text.casefold()
        for value in self._values:
            if value in lowered:
                break
        else:
            return []
        return [
            (match.lastgroup or "", match[0], match[0] if match.lastgroup == "UC401" else "")
            for match in self._finder.finditer(text)
        ]

    def gives_away(self, text: str) -> bool:
        """Tell whether a name holds something that is not to be shown."""
        return bool(self._hits_once(text))

    def below(self, node: Node, value: object, *, pointer: str | None = None) -> None:
        """Search everything in a value of which nothing more is known."""
        waiting = [(node.pointer if pointer is None else pointer, value)]
        while waiting:
            place, each = waiting.pop()
            if isinstance(each, dict):
                waiting += reversed([self._member(node, place, *item) for item in each.items()])
            elif isinstance(each, list):
                waiting += reversed([(f"{place}/*", item) for item in each])
            elif isinstance(each, str):
                self._leaf(node, place, each)
            elif node.role == "configuration" and each is not None:
                self._ledger.add("UC301", node.event, place, each)

    def _leaf(self, node: Node, place: str, text: str) -> None:
        if node.event == CLI or place.endswith(("/session_id", "/machine_id")):
            self._ids.see(node.event, place, text)
        at_home = place == node.pointer
        exempt = node.exempt if at_home else EXEMPT.get((node.event, place), ())
        self._judge(node, text, self._hits_once(text), pointer=place, exempt=exempt)
        if text and node.role != "secret" and names_secret(place.rpartition("/")[2]):
            self._ledger.add("UC302", node.event, place, text)

    def _member(self, node: Node, place: str, key: object, value: object) -> tuple[str, object]:
        return self._name_place(node, place, str(key)), value

    def _name_place(self, node: Node, place: str, key: str) -> str:
        """Name a place below another; a key that gives something away is not named."""
        hits = self._hits_once(key)
        for rule, match, part in hits:
            self._ledger.add(rule, node.event, f"{place}/*", match, part)
        return _place_below(place, key, is_hidden=bool(hits))

    def place_below(self, place: str, key: str) -> str:
        """Name a place below another, as far as the key may be shown."""
        return _place_below(place, key, is_hidden=self.gives_away(key))

    def plan(self, node: Node, keys: tuple[str, ...]) -> Plan:
        """Plan how an object with these keys is laid against a node; the plan is kept there."""
        tallies: list[tuple[Tally, str]] = []
        children: list[Node] = []
        is_flagged = False
        for key in keys:
            child = node.below(key)
            if child is None:
                pointer = self._name_place(node, node.pointer, key)
                is_flagged |= pointer.endswith("/*")
                child = Node(node.event, pointer, is_documented=False, is_known=False)
                child.role = "secret" if names_secret(key) else ""
            children.append(child)
            rule = _rule_of(node, child)
            if rule:
                tallies.append((self._ledger.tally(rule, node.event, child.pointer), key))
        for key in node.required:
            if key not in keys:
                pointer = f"{node.pointer}/{key}"
                tallies.append((self._ledger.tally("UC104", node.event, pointer), key))
        plan = Plan(tuple(tallies), tuple(children))
        if len(node.plans) < _MOST_PLANS and not is_flagged and sum(map(len, keys)) < 4 * 1024:
            node.plans[keys] = plan
        return plan


def _place_below(place: str, key: str, *, is_hidden: bool) -> str:
    if is_hidden or len(place) > 4 * _LONGEST_KEY:
        return place if place.endswith("/*") else f"{place}/*"
    return f"{place}/{clean(key, most=_LONGEST_KEY).replace('~', '~0').replace('/', '~1')}"


def _rule_of(node: Node, child: Node) -> str:
    """Name the rule that a key breaks by being there; empty when it breaks none."""
    instead = INSTEAD.get((child.event, child.pointer))
    if instead:
        return instead
    is_new = not child.is_known and node.is_known
    return "UC102" if is_new or (node.is_documented and not child.is_documented) else ""


def _is_of(types: frozenset[type], value: object) -> bool:
    if type(value) in types:
        return True
    return isinstance(value, float) and int in types and value.is_integer()


def _are_all_in(texts: set[str], values: list[object]) -> bool:
    try:
        return texts.issuperset(values)
    except TypeError:  # A list or an object is in no set.
        return False


def remember(known: set[AnyStr], each: AnyStr) -> None:
    """Remember what was in order, unless it is long; when there are too many, begin anew."""
    if len(each) <= _LONGEST_REMEMBERED:
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known.add(each)
