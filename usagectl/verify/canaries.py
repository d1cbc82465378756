"""Canaries: texts that must not be sent, their places, and the search for them.

Each is drawn at random and stands in one place alone, so that a text which is found names
its place, whatever the program made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.audit.disguises import Disguises

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.capture.traffic import Traffic

PLACES = {
    "value": "what was typed for {value}",
    "user": "the user's name",
    "home": "the home folder",
    "work": "the working folder",
    "host": "the host's name",
    "token": "a token in a variable",
    "password": "a password in the variable DATABASE_URL",
    "mail": "git's user.email",
    "remote": "git's origin",
    "branch": "git's branch",
}
"""The canaries by name, and where each stands."""

_WHOLES = {
    "token": "ghp_{token}0000000000000000000000",
    "mail": "{mail}@example.org",
    "remote": "git@example.org:{remote}/some.git",
}
"""Longer texts that hold one; a tool may hash these."""

VARIABLES = {
    **dict.fromkeys(("USER", "LOGNAME", "USERNAME"), "{user}"),
    **dict.fromkeys(("HOSTNAME", "COMPUTERNAME"), "{host}"),
    "GITHUB_TOKEN": _WHOLES["token"],
    "AWS_SECRET_ACCESS_KEY": "{token}",
    "DATABASE_URL": "postgres://someone:{password}@127.0.0.1:9/some",
}
FILES = {
    "~/.gitconfig": f"[user]\n\tname = {{user}}\n\temail = {_WHOLES['mail']}\n",
    ".git/HEAD": "ref: refs/heads/{branch}\n",
    ".git/config": "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
    f'[remote "origin"]\n\turl = {_WHOLES["remote"]}\n',
    ".git/objects/info/packs": "",
    ".git/refs/heads/.keep": "",
}
"""A git repository, and the user's git settings."""

_LETTERS = "abcdefghijkmnop"
_LENGTH = 14


def plant(entropy: Callable[[int], bytes]) -> dict[str, str]:
    """Draw the canaries of one verification: small letters, which no text encoding changes."""
    return {
        name: "".join(_LETTERS[byte % len(_LETTERS)] for byte in entropy(_LENGTH))
        for name in PLACES
    }


def filled(texts: Mapping[str, str], planted: Mapping[str, str]) -> dict[str, str]:
    """Put the canaries into `VARIABLES` or `FILES`."""
    return {name: text.format_map(planted) for name, text in texts.items()}


def search(
    traffic: Traffic, planted: Mapping[str, str], folders: Mapping[str, str]
) -> tuple[list[str], int]:
    """Search every part of every request, and every name that was asked for.

    Returns what was found, a line for each place and part, and how many messages cannot be
    searched. `folders` are the paths whose last parts are the canaries `home` and `work`.
    """
    wholes = {**filled(_WHOLES, planted), **folders}
    wanted = Disguises((name, (text, wholes.get(name, text))) for name, text in planted.items())
    found: dict[tuple[str, str], str] = {}
    unreadable = 0
    for where, data in traffic.parts():
        unreadable += data is None
        for name, form in wanted.search(data or b""):
            found.setdefault((name, where), form)
    told = [f"{PLACES[name]}, {form}, in {where}" for (name, where), form in found.items()]
    return told, unreadable
