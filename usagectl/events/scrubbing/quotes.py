"""Own where quotes open and close in a text, and what each quoted stretch becomes."""

from __future__ import annotations

import re

from usagectl.events.scrubbing.words import DUMMY_ACCOUNT, kind_of

_ALIKE = str.maketrans(
    {**dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"), "\u2026": "..."}
)
_ESCAPED = re.compile(r"(?i)\\u(20(?:1[0-9a-f]|39|3a)|00(?:ab|bb|22|27))|\\x(22|27)")
_ENTITY = re.compile(r"(?i)&(?:quot|#34|#x22);|&(?:apos|#39|#x27);")
_DOUBLE = ("quot", "QUOT", "#34", "#x22", "#X22")
_APOSTROPHE = re.compile(r"(?<=[A-Za-z0-9])[\u2019\u02bc]")
_CLOSINGS = {
    "\u201c": "\u201d\u201c",
    "\u201d": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u201f": "\u201d",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab\u00bb",
    "\u2039": "\u203a",
    "\u203a": "\u2039\u203a",
    "\u300c": "\u300d",
    "\u2018": "\u2019'",
    "\u201a": "\u2018\u2019'",
    "\u2019": "\u2019'",
}
"""What closes each typographic quote; languages differ."""
_QUOTE = re.compile(rf"\\{{0,3}}[\"`'{''.join(_CLOSINGS)}]")
_CONTRACTION = re.compile(r"'(?:s|t|re|ve|ll|d|m)(?![A-Za-z0-9])", re.IGNORECASE)


def unquote(text: str) -> str:
    """Replace each quoted stretch, quotes and all, by a placeholder of its kind.

    A quote that never closes lasts to the end of the text. What is glued to a stretch is
    for the caller: quotes within quotes may have been taken the wrong way round.
    """
    if "&" in text:
        text = _ENTITY.sub(lambda found: '"' if found[0][1:-1] in _DOUBLE else "'", text)
    if "\\" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), text)
    if not text.isascii():
        text = _APOSTROPHE.sub("'", text.translate(_ALIKE))
    parts: list[str] = []
    done = searched = 0
    while opening := _QUOTE.search(text, searched):
        searched = opening.end()
        if opening[0][-1] == "'" and not _opens(text, opening):
            continue
        between = text[done : opening.start()]
        # Quotes within quotes, taken the wrong way round: what is between is inside.
        is_inside = bool(parts and between) and between[0].isalnum() and between[-1].isalnum()
        parts.append("" if is_inside else between)
        done, content = _close(text, opening)
        searched = done
        parts.append(_kind_of_stretch(content))
    parts.append(text[done:])
    return "".join(parts)


def _opens(text: str, mark: re.Match[str]) -> bool:
    """Tell a quote that opens from an apostrophe."""
    before = text[max(mark.start() - 1, 0) : mark.start()]
    after = text[mark.end() : mark.end() + 1]
    if before.isalnum():
        return after.isalnum() and not _CONTRACTION.match(text, mark.end() - 1)
    return bool(after) and not after.isspace()


def _close(text: str, opening: re.Match[str]) -> tuple[int, str]:
    """Find the end of a quoted stretch, and what is in it.

    An escaped quote is closed by one that is escaped alike.
    """
    mark = opening[0][-1]
    after = "(?![A-Za-z0-9])" if mark in "'\u2018\u2019\u201a" else ""
    end = f"[{_CLOSINGS[mark]}]" if mark in _CLOSINGS else re.escape(opening[0])
    pattern = rf"(?<!\\){end}{after}"
    closing = re.compile(pattern).search(text, opening.end())
    if closing is None:
        return len(text), text[opening.end() :]
    return closing.end(), text[opening.end() : closing.start()]


def _kind_of_stretch(content: str) -> str:
    if content == DUMMY_ACCOUNT:
        return content
    return "<name>" if re.search(r"\s", content) else kind_of(content)
