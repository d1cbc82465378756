"""Own how a text is taken apart into units: words, numbers, marks, and what is gone.

Here each piece is judged by itself. What its neighbours say of it is for `sentences`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from usagectl.events.scrubbing.words import FOLLOWERS, PLACEHOLDERS, is_number, is_word, kind_of

NAME = "<name>"

_PLACEHOLDER = re.compile(f"<(?:{'|'.join(PLACEHOLDERS)})>")
_BEFORE, _AFTER = "([{<", ".,;:!?)]}>'"
_MARKS = "()[]{},;!?<>=:"
_IN_CLASS = re.escape(_MARKS)
_PIECES = re.compile(
    f"{_PLACEHOLDER.pattern}|(?:(?!{_PLACEHOLDER.pattern})[{_IN_CLASS}])+|[^{_IN_CLASS}]+"
)
_PUNCTUATION = frozenset("-.%*+|&'")
_LONGEST_KNOWN = 24
_NOUN = re.compile(
    r"[A-Za-z][a-z]+(?:[A-Z][a-z]+){1,6}|[A-Z][A-Za-z0-9]{1,60}(?:Error|Exception|Fault)"
)
_HOME = re.compile(r"[\\/](?:Users|home|Documents and Settings)[\\/][^\\/]+$")
_IPV6 = re.compile(
    r"(?<![A-Za-z0-9])(?=[:.]{0,9}[0-9A-Fa-f])(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f.]{0,15}"
    r"(?<!\.)(?![A-Za-z0-9])"
)
_FEW_COLONS = 3
_ANGLED = re.compile(r"<([A-Za-z](?:[^<>@:/\\]*[^<>@:/\\\s])?)>")
_SECRET = re.compile(
    r"(?i)(?:[a-z0-9]+_)*(?:password|passwd|passphrase|passcode|pwd|secret|token|credential)s?"
    r"(?:_(?:access_)?(?:key|value))?"
)
_TAIL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*[/\\]")


Was = Literal["", "tail", "noun", "home", "sender", "value", "secret"]


class Unit(NamedTuple):
    """Hold one piece of a text.

    Attributes:
        kind: `gone` is a placeholder, `mark` is punctuation.
        text: as it comes out.
        is_glued: whether it follows the piece before it without a space.
        was: of what is gone, `tail` for a path that does not begin at a root, `noun` for
            words that are written as one, as AWS names what a name follows: `RoleName`, `home`
            for a path that ends in a user's name, `sender` for an address in angle brackets,
            `value` for a word that is glued to a colon or an equals sign before it, `secret`
            for the name of a variable that says that it holds one: `db_password`.
    """

    kind: Literal["word", "number", "gone", "mark"]
    text: str
    is_glued: bool = False
    was: Was = ""


def split(text: str) -> list[Unit]:
    """Take a text without quotes apart."""
    found: list[Unit] = []
    text = _ANGLED.sub(_hide_angled, text) if ">" in text else text
    text = _IPV6.sub("<ip>", text) if "::" in text or text.count(":") > _FEW_COLONS else text
    for token in text.split():
        found += _split_known(token) if len(token) <= _LONGEST_KNOWN else _split_token(token)
    return found


def _hide_angled(found: re.Match[str]) -> str:
    """Take what stands between `<` and `>` for a name, unless it is a placeholder or a noun."""
    return found[0] if found[1] in PLACEHOLDERS or found[1].lower() in FOLLOWERS else NAME


def join(units: list[Unit]) -> str:
    """Put units together into a text."""
    return "".join(unit.text if unit.is_glued else f" {unit.text}" for unit in units).strip()


def _split_token(token: str) -> tuple[Unit, ...]:
    units: list[Unit] = []
    core = token.lstrip(_BEFORE)
    before = token[: len(token) - len(core)]
    core = core.rstrip(_AFTER if "::" not in core else _AFTER.replace(":", ""))
    after = token[len(before) + len(core) :]
    if _is_single(token, core):
        kind = kind_of(core)
        was = _was(kind, core, is_sender=before.endswith("<"))
        before, after = before.replace("<", ""), after.replace(">", "")
        _add(units, "mark", _shorten(before), is_glued=False)
        _add(units, "gone", kind, is_glued=bool(before), was=was)
        _add(units, "mark", _shorten(after), is_glued=True)
        return tuple(units)
    is_glued = False
    for piece in _PIECES.findall(token):
        if _PLACEHOLDER.fullmatch(piece):
            _add(units, "gone", piece, is_glued=is_glued)
        elif piece[0] in _MARKS:
            _add(units, "mark", _shorten(piece), is_glued=is_glued)
        else:
            _add_piece(units, piece, is_glued=is_glued)
        is_glued = True
    return tuple(units)


_split_known = lru_cache(4096)(_split_token)
"""Most words come again and again."""


def _was(kind: str, core: str, *, is_sender: bool) -> Was:
    if kind == "<email>":
        return "sender" if is_sender else ""
    if kind != "<path>":
        return ""
    if _TAIL.match(core):
        return "tail"
    return "home" if _HOME.search(core) else ""


def _is_single(token: str, core: str) -> bool:
    """Tell whether a token is one thing with its punctuation: an address, a path, a time."""
    if not core or _PLACEHOLDER.search(token) or is_word(core) or is_number(core):
        return False
    if any(mark in core for mark in "@\\/~"):
        return True
    return kind_of(core) not in (NAME, "<token>")


def _add_piece(units: list[Unit], piece: str, *, is_glued: bool) -> None:
    if _PUNCTUATION.issuperset(piece):
        _add(units, "mark", _shorten(piece), is_glued=is_glued)
        return
    core = piece if is_word(piece) else piece.rstrip(".'%")
    if is_word(core):
        _add(units, "word", core, is_glued=is_glued)
    elif is_number(core.removeprefix("-")):
        _add(units, "number", core, is_glued=is_glued)
    else:
        was: Was = "noun" if _NOUN.fullmatch(core) else "secret" if _SECRET.fullmatch(core) else ""
        _add(units, "gone", kind_of(core), is_glued=is_glued, was=was)
    _add(units, "mark", _shorten(piece[len(core) :]), is_glued=True)


def _shorten(mark: str) -> str:
    return mark if len(mark) < 4 else mark[:2] + mark[-1]  # noqa: PLR2004


def _add(
    units: list[Unit],
    kind: Literal["word", "number", "gone", "mark"],
    text: str,
    *,
    is_glued: bool,
    was: Was = "",
) -> None:
    """Add a unit; what stands against a placeholder, or after `:` or `=`, goes with it."""
    if not text:
        return
    if is_glued and kind != "mark":
        last = units[-1]
        if last.kind != "mark":
            known = last.text if last.kind == "gone" else text if kind == "gone" else NAME
            units[-1] = Unit("gone", known, last.is_glued)
            return
        if kind != "gone" and last.text[-1] in ":=":
            kind, text, was = "gone", NAME, "value"
    units.append(Unit(kind, text, is_glued, was))
