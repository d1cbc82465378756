"""Locations of usagectl's own files: settings, policy, project files, spool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.errors import FolderUnknownError, InvalidValueError
from usagectl.machine.environment import CONFIG_DIR_VARIABLE, STATE_DIR_VARIABLE

if TYPE_CHECKING:
    from usagectl.machine.environment import Environment

PROJECT_FILE_NAME = ".usagectl.toml"

_POLICY_FILES = {
    "Darwin": "/Library/Application Support/usagectl/policy.toml",
    "Linux": "/etc/usagectl/policy.toml",
}


def settings_file(environment: Environment) -> Path | None:
    """Return the user's settings file; None when this account has no home."""
    folder = environment.config_dir
    return folder / "settings.toml" if folder else None


def require_settings_file(environment: Environment) -> Path:
    """Return the user's settings file.

    Raises:
        FolderUnknownError: this account has no home.
    """
    file = settings_file(environment)
    if file is None:
        raise FolderUnknownError("usagectl's settings", variable=CONFIG_DIR_VARIABLE)
    return file


def spool_file(environment: Environment) -> Path | None:
    """Name the spool's file; None when this account has no home."""
    folder = environment.state_dir
    return folder / "spool.db" if folder else None


def require_spool_file(environment: Environment) -> Path:
    """Name the spool's file.

    Raises:
        FolderUnknownError: this account has no home.
    """
    file = spool_file(environment)
    if file is None:
        raise FolderUnknownError("the spool", variable=STATE_DIR_VARIABLE)
    return file


def require_delivery_dir(environment: Environment) -> Path:
    """Name the folder that a delivery locks, and that keeps its pauses.

    Raises:
        FolderUnknownError: this account has no home.
    """
    folder = environment.state_dir
    if folder is None:
        raise FolderUnknownError("the spool", variable=STATE_DIR_VARIABLE)
    return folder / "delivery"


def require_files_dir(environment: Environment) -> Path:
    """Name the folder where `replay --file` keeps what it has not sent yet.

    Raises:
        FolderUnknownError: this account has no home.
    """
    return require_delivery_dir(environment).with_name("files")


def policy_file(environment: Environment) -> Path:
    """Return the machine-wide policy file.

    No variable moves it: its users could point it elsewhere.
    """
    if environment.system == "Windows":
        return environment.at_root("C:/ProgramData/usagectl/policy.toml")
    return environment.at_root(_POLICY_FILES.get(environment.system, _POLICY_FILES["Linux"]))


def project_files(environment: Environment) -> tuple[Path, ...]:
    """List the project files from the working folder up to the root, nearest first."""
    folders = (environment.cwd, *environment.cwd.parents)
    files = (folder / PROJECT_FILE_NAME for folder in folders)
    return tuple(file for file in files if os.path.lexists(file))


def parse_folder(environment: Environment, text: str) -> Path:
    """Turn what a person typed into an absolute folder, which need not exist; `~` is home.

    Raises:
        InvalidValueError: it is empty, or a file is in the way.
    """
    if not text.strip() or "\0" in text:
        raise InvalidValueError("folder", text, wanted="name a folder such as ./volume/cache")
    folder = environment.cwd / text
    first, _, rest = text.partition("/")
    if first == "~" and environment.home:
        folder = environment.home / rest.lstrip("/")
    # os.path answers where pathlib raises: a loop of links, a folder that may not be searched.
    folder = Path(os.path.realpath(folder))
    try:
        str(folder).encode("utf-8")
    except UnicodeEncodeError as error:
        wanted = "its whole name has to be UTF-8 to be kept in the settings"
        raise InvalidValueError("folder", text, wanted=wanted) from error
    if os.path.exists(folder) and not os.path.isdir(folder):  # noqa: PTH110, PTH112
        raise InvalidValueError("folder", text, wanted="there is a file of that name")
    return folder
