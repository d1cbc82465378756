"""Registered programs: those that record their events through usagectl, a small file for each.

A program writes its file when it records for the first time, so that usagectl
can list, preview and switch it although it knows nothing of it. The file says what
the program says about itself. People can edit it: a file that cannot be understood
stands for a tool without an endpoint.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileUnreadableError, InvalidValueError
from usagectl.machine import files, paths
from usagectl.settings import OWN_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment
    from usagectl.notice import Declaration

NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
NAME_LENGTH = 64
TAKEN = ("localstack", "lstk", OWN_NAME)
"""Tools that usagectl knows by itself; no program can register as one."""

_SUFFIX = ".json"
_MOST_CHARACTERS = {"version": 400, "endpoint": 400, "program": 4096}
"""How long each text may be, since it is shown; 4096 is the longest path on Linux."""

_MOST_KINDS = 256


class Registration(NamedTuple):
    """What a program says about itself.

    Attributes:
        name: the tool, as a person types it.
        version: its version; empty when it names none.
        endpoint: the base URL its author declares; empty: nothing is sent by itself.
        program: the file that was run; empty when it is not known.
        schemas: the event kinds it declares, each in the form of the notice's data.
        problem: a sentence when its file cannot be read or understood, else empty.
    """

    name: str
    version: str = ""
    endpoint: str = ""
    program: str = ""
    schemas: tuple[Mapping[str, object], ...] = ()
    problem: str = ""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Declared kinds; those that cannot be understood are left out."""
        from usagectl.events import kinds  # few commands ask

        found = []
        for schema in self.schemas:
            try:
                found.append(kinds.from_schema(schema))
            except kinds.InvalidKindError:
                continue
        return tuple(found)


def validate_name(name: str) -> str:
    """Return a tool's name if it is valid.

    Raises:
        InvalidValueError: the name is invalid, or usagectl knows it as another tool.
    """
    if not NAME_PATTERN.fullmatch(name) or len(name) > NAME_LENGTH:
        wanted = "use lower-case letters and digits, with single '-' or '_' between them"
        raise InvalidValueError("tool name", name[:NAME_LENGTH], wanted=wanted)
    if name in TAKEN[:2]:
        wanted = "usagectl knows that tool by its own switches; use another name"
        raise InvalidValueError("tool name", name, wanted=wanted)
    return name


def folder_of(environment: Environment) -> Path | None:
    """Return the folder of the files; None when this account has no home."""
    return environment.state_dir / "tools" if environment.state_dir else None


def read_all(environment: Environment) -> tuple[Registration, ...]:
    """Read every registered program, ordered by name; one that cannot be read has a `problem`."""
    folder = folder_of(environment)
    if folder is None:
        return ()
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError:
        return ()
    stems = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    return tuple(_read(folder, stem) for stem in stems if _is_free(stem))


def read(environment: Environment, name: str) -> Registration | None:
    """Read one registered program; None if it never registered."""
    folder = folder_of(environment)
    if folder is None or not _is_free(name) or not (folder / f"{name}{_SUFFIX}").exists():
        return None
    return _read(folder, name)


def _is_free(name: str) -> bool:
    return bool(NAME_PATTERN.fullmatch(name)) and len(name) <= NAME_LENGTH and name not in TAKEN


def _read(folder: Path, name: str) -> Registration:
    file = folder / f"{name}{_SUFFIX}"
    try:
        document = json.loads(files.read_bytes(file) or b"null")
    except FileUnreadableError as error:
        return Registration(name, problem=error.message)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Registration(name, problem=f"{file} cannot be understood: it is not a JSON object.")
    texts = {key: document.get(key, "") for key in _MOST_CHARACTERS}
    schemas = document.get("kinds", [])
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(schemas, list):
        return Registration(name, problem=f"{file} cannot be understood: a member is not text.")
    if long := [key for key, text in texts.items() if len(text) > _MOST_CHARACTERS[key]]:
        return Registration(name, problem=f"{file} cannot be understood: {long[0]} is too long.")
    kinds = tuple(each for each in schemas if isinstance(each, dict))
    return Registration(name, schemas=kinds, **texts)


def merge(environment: Environment, registration: Registration) -> Registration:
    """Fill in what this program does not say from other programs, or earlier runs, of its tool.

    Of two kinds of one name the newer definition counts. A kind that is no longer declared
    stays, since its events may wait.
    """
    before = read(environment, registration.name)
    if before is None or before.problem:
        return registration
    kinds = {each["title"]: each for each in before.schemas if isinstance(each.get("title"), str)}
    kinds |= {each["title"]: each for each in registration.schemas}
    return registration._replace(
        version=registration.version or before.version,
        endpoint=registration.endpoint or before.endpoint,
        program=registration.program or before.program,
        schemas=tuple(kinds.values())[-_MOST_KINDS:],
    )


def register(environment: Environment, registration: Registration) -> bool:
    """Write a program's file and return True, unless it says the same already.

    What other programs of the tool said stays (`merge`).

    Raises:
        InvalidValueError: the name is invalid.
        FolderUnknownError: this account has no home.
        FileUnwritableError: nothing was changed.
    """
    name = validate_name(registration.name)
    if name == OWN_NAME:
        return False
    folder = paths.require_spool_file(environment).parent / "tools"
    registration = merge(environment, registration)
    file = folder / f"{name}{_SUFFIX}"
    document = {
        "schema": 1,
        "name": name,
        "version": registration.version,
        "endpoint": registration.endpoint,
        "program": registration.program,
        "kinds": list(registration.schemas),
    }
    data = json.dumps(document, indent=1).encode() + b"\n"
    try:
        if files.read_bytes(file) == data:
            return False
    except FileUnreadableError:
        pass
    files.replace_bytes(file, data)
    return True


def declarations(environment: Environment) -> tuple[Declaration, ...]:
    """Return every event kind that a registered program declares, for `notice.declared`."""
    from usagectl.events import kinds

    return tuple(
        declaration
        for registration in read_all(environment)
        for kind in registration.kinds
        if kinds.has_name_of(registration.name, kind)
        for declaration in kinds.declare(registration.name, [kind])
    )
