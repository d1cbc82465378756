"""Tests of README's pictures: each is there and used, is XML, and gives no machine away."""

from __future__ import annotations

import re

from tests.support import tables
from tests.support.pictures import FOLDER, PICTURES, given_away, left_of, words_of

TEXTS = {file.name: file.read_text(encoding="utf-8") for file in sorted(FOLDER.iterdir())}


def test_each_is_made_by_the_tool_and_shown() -> None:
    """`python -m tests.support.pictures` makes these and no other, and README shows each."""
    assert set(TEXTS) == {f"{name}.svg" for name in PICTURES}
    readme = tables.README.read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]{20,}\]\(docs/pictures/(\w+\.svg)\)", readme)
    assert sorted(shown) == sorted(TEXTS)
    for name, (title, lines) in PICTURES.items():
        words = words_of(TEXTS[f"{name}.svg"])
        assert [line for line in lines if f"$ {line}" not in words] == []
        assert title in TEXTS[f"{name}.svg"]


def test_none_gives_the_machine_away_or_fetches_anything() -> None:
    """No path, no ID; and no font, image or script from a host. Of names its maker made sure."""
    for name, text in TEXTS.items():
        assert given_away(words_of(text)) == [], name
        assert not re.search(r"url\((?!#)|href=|<script|<image", text), name


def test_what_gives_a_machine_away_is_seen() -> None:
    """Paths, IDs and addresses, and the names that the maker of a picture asks for."""
    words = "in /home/x by a@b.org 0123456789abcdef on myhost, ~/.config/opt-out.sh 48 tools"
    found = given_away(words, "myhost", "me", "")
    assert found == ["/home/", "a@b.org", "0123456789abcdef", "myhost"]


def test_a_bar_that_is_over_is_no_part_of_a_picture() -> None:
    """What a program erased from the screen is gone; what it wrote after that stands."""
    bar = "\x1b[?25lWorking 1/2\n\r\x1b[2K\x1b[1A\x1b[2KWorking 2/2\n\x1b[?25h\r\x1b[1A\x1b[2K"
    assert left_of(f"first\n{bar}then\nlast\n").split("\n")[:3] == ["first", "then", "last"]
    assert "Working" not in left_of(bar)
