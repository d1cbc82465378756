"""Tests of the man page: it is the help, and man renders it without a complaint."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.support import manual
from tests.support.commands import tree


def test_it_is_the_help_of_today() -> None:
    """`python -m tests.support.manual` would change nothing."""
    assert manual.FILE.read_text(encoding="utf-8") == manual.page()


def test_it_has_every_command_and_option() -> None:
    """Each stands in it as it is typed, an option below its own command."""
    sections = dict(re.findall(r'\.SS "usagectl (.+?)"\n(.*?)(?=\n\.S)', manual.page(), re.DOTALL))
    lost = []
    for path, command in tree().items():
        key = next(each for each in sections if re.fullmatch(rf"{path}(?: [^a-z]*)?", each))
        spelt = [each.replace("-", r"\-") for one in command.params for each in one.opts]
        lost += [(path, each) for each in spelt if each[0] == "\\" and each not in sections[key]]
    assert lost == []


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff on PATH")
def test_man_renders_it_without_a_warning() -> None:
    """As `man --warnings` has groff do it."""
    words = ["groff", "-man", "-Tutf8", "-ww", str(manual.FILE)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "capture --sealed" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
