"""Own what the neighbours of a word say of it: which ordinary word is a name where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.events.scrubbing import quotes, units
from usagectl.events.scrubbing.credentials import SECRETS, hide_secrets
from usagectl.events.scrubbing.units import NAME, Unit
from usagectl.events.scrubbing.words import (
    FOLLOWERS,
    FUNCTION_WORDS,
    HEADS,
    NOUNS,
    RESOURCES,
    VERBS,
    is_written_as_one,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_READ = 4096
_LONGEST_WRITTEN = 512
_MOST_PASSES = 8
_MOST_NUMBERS = 2
_MOST_BETWEEN = 3
_MOST_PROPER = 2
_ENDS = tuple(".,;)!?]}")
_START, _END = Unit("mark", " "), Unit("mark", ".")
_MOST_LISTED = 16
_SHORT = 4
_ARTICLES = frozenset(("the", "a", "an", "this", "that", "specified", "requested", "given"))
_MISSING = tuple(
    phrase.split()
    for phrase in (
        "does not exist",
        "doesn't exist",
        "do not exist",
        "already exists",
        "already exist",
        "not found",
        "is not found",
        "was not found",
        "wasn't found",
        "cannot be found",
        "couldn't be found",
        "is not authorized",
    )
)


def scrub(text: str) -> str:
    """Replace whatever is no ordinary word of an error's text by its kind.

    Never raises. Takes time in proportion to the text, of which 4 KiB are read and at most
    512 characters come out. What was scrubbed comes out again as it is.
    """
    known = text[:_LONGEST_READ]
    for _ in range(_MOST_PASSES):
        found = _pass(known)
        if found == known:
            return found
        known = found
    return NAME


def _pass(text: str) -> str:
    found = units.split(quotes.unquote(text))
    _hide_numbers(found)
    found = hide_secrets(_join_paths(found))
    for index, target in list(_names(found)):
        found[index] = target
    return _bound(units.join(found))


def _bound(text: str) -> str:
    """Cut a text to what may come out, between two words."""
    if len(text) <= _LONGEST_WRITTEN:
        return text
    return text[: _LONGEST_WRITTEN + 1].rpartition(" ")[0]


def _hide_numbers(found: list[Unit]) -> None:
    """Hide small numbers that follow each other: together they may be anybody's."""
    if sum(unit.kind == "number" for unit in found) <= _MOST_NUMBERS:
        return
    run: list[int] = []
    for index, unit in enumerate([*found, Unit("word", "")]):
        if unit.kind == "number":
            run.append(index)
        elif not (run and unit.kind == "mark" and set(unit.text) <= set("-.,:()+&")):
            if len(run) > _MOST_NUMBERS:
                for each in run:
                    found[each] = found[each]._replace(kind="gone", text="<number>")
            run = []


def _join_paths(found: list[Unit]) -> list[Unit]:
    """Take the words that belong to a path with spaces, or to an address, away with it."""
    kept: list[Unit] = []
    for unit in found:
        if unit.was == "sender":
            for _ in range(_MOST_PROPER):
                if kept and _is_proper(kept[-1]):
                    kept.pop()
            kept.append(unit)
        elif unit.was == "tail" and (start := _open_path(kept)) is not None:
            del kept[start + 1 :]
        elif kept and kept[-1].was == "home" and _is_proper(unit) and not unit.is_glued:
            continue  # `/Users/Alice Smith`: the user's name may have a space.
        else:
            kept.append(unit)
    return kept


def _open_path(kept: list[Unit]) -> int | None:
    """Find a path that a few words before the end may belong to."""
    for back, unit in enumerate(reversed(kept)):
        if unit.text == "<path>":
            return len(kept) - 1 - back
        is_part = unit.text.istitle() and unit.text.lower() not in FUNCTION_WORDS
        if unit.kind != "word" or not is_part or back >= _MOST_BETWEEN:
            return None
    return None


def _is_proper(unit: Unit) -> bool:
    """Tell whether a unit is a word with a capital that may be somebody's name."""
    is_title = unit.kind == "word" and unit.text.istitle()
    return is_title and unit.text.lower() not in FOLLOWERS


def _names(found: list[Unit]) -> Iterator[tuple[int, Unit]]:
    """Find the words that are names by where they stand, and what each becomes."""
    for index, unit in enumerate(found):
        if unit.kind != "word":
            continue
        word = unit.text.lower()
        if word in FUNCTION_WORDS:
            continue
        before = found[index - 1] if index else _START
        after = found[index + 1] if index + 1 < len(found) else _END
        is_known = word in FOLLOWERS
        if before.kind == "word" or before.was == "noun":
            is_past = word.endswith("ed") and len(word) > _SHORT  # `connection refused`
            is_name = _is_called(before, after, is_known=is_known or is_past)
        elif before.kind == "mark":
            is_name = unit.text[1:].islower() and _is_enclosed(before, after, is_known=is_known)
            is_name = is_name or _is_announced(found, index, after, is_known=is_known)
        else:
            is_name = False
        if is_name or (not is_known and _is_missing(found, index)):
            yield index, unit._replace(kind="gone", text=NAME)


def _is_called(before: Unit, after: Unit, *, is_known: bool) -> bool:
    """Tell whether a word is the name of the noun before it: `user alice cannot be found`."""
    noun = before.text.lower()
    if noun in ("named", "called"):
        return True
    if is_known:
        return False
    if noun in SECRETS:
        return True
    if noun not in NOUNS and before.was != "noun":
        return False
    is_common = noun not in RESOURCES and before.was != "noun"
    return _ends_name(after) and not (is_common and after.kind == "mark")


def _is_enclosed(before: Unit, after: Unit, *, is_known: bool) -> bool:
    """Tell whether a word stands alone in brackets or parentheses."""
    is_alone = before.text[-1] in "([{" and after.kind == "mark" and after.text[0] in ")]}"
    return is_alone and not is_known and after.is_glued and not before.is_glued


def _is_announced(found: list[Unit], index: int, after: Unit, *, is_known: bool) -> bool:
    """Tell whether a colon, an equals sign or a list before a word makes it a name."""
    if not index:
        return False
    at = index - 1
    last = max(at - 2 * _MOST_LISTED, 1)
    while at > last and found[at].text == "," and found[at - 1].kind in ("word", "gone"):
        at -= 2  # `Tables: orders, customers`
    mark, head = found[at], found[at - 1] if at else _START
    if mark.kind != "mark" or mark.text[-1] not in ":=":
        return False
    if is_known and (at < index - 1 or not _ends_name(after) or _is_subject(found[index], after)):
        return False
    if at < index - 1 and not head.text.endswith("s"):
        return False
    return _announces(head, mark, is_known=is_known)


def _announces(head: Unit, mark: Unit, *, is_known: bool) -> bool:
    """Tell whether a name follows a word and its mark: `Table:`, `NoSuchKey:`, `id=`."""
    if head.kind != "word":
        return mark.text in (":", "=") and head.was in ("noun", "value") and not is_known
    if is_written_as_one(head.text):
        return mark.text in (":", "=") and not is_known
    nouns = {head.text.lower(), head.text.lower().removesuffix("s")}
    return mark.text[-1] == "=" or not nouns.isdisjoint(RESOURCES if is_known else HEADS)


def _is_subject(unit: Unit, after: Unit) -> bool:
    """Tell whether a noun begins a sentence of its own: `constraint: Member must have`."""
    return unit.text[0].isupper() and after.kind == "word"


def _ends_name(after: Unit) -> bool:
    """Tell whether what follows a word lets it be a name: `orders.` or `orders is gone`."""
    return after.text.startswith(_ENDS) if after.kind == "mark" else after.text.lower() in VERBS


def _is_missing(found: list[Unit], index: int) -> bool:
    """Tell whether a word is said not to exist, or to exist already."""
    if index and found[index - 1].text.lower() in _ARTICLES:
        return False
    after = [unit.text.lower() for unit in found[index + 1 : index + 4]]
    return any(after[: len(words)] == words for words in _MISSING)
