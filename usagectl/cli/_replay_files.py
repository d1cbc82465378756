"""Own where `usagectl replay` takes its events from: the spool, a file, or standard input."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from usagectl.cli import _output
from usagectl.errors import FileUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.cli._commands import Invocation
    from usagectl.delivery.replay import Options
    from usagectl.delivery.replay_files import Staged


class Place:
    """Be where the events of a replay wait: the spool, or what was laid out of a file."""

    def __init__(self, folder: Path, staged: Staged | None = None) -> None:
        self.folder = folder
        self.was_sent = False
        self.is_finished = staged is None or not staged.is_resumed


@contextmanager
def folder_of_events(
    invocation: Invocation, options: Options, *, file: str | None, base: str, dry_run: bool
) -> Iterator[Place]:
    """Find the events; those of a file are laid out, and that is removed when it is done with."""
    from tempfile import TemporaryDirectory

    from usagectl.delivery import replay as replaying
    from usagectl.delivery import replay_files
    from usagectl.machine import paths

    environment = invocation.environment
    if file is None:
        yield Place(replaying.folder_for(environment, options))
        return
    path = None if file == "-" else environment.cwd / file
    with TemporaryDirectory(prefix="usagectl-") as temporary:
        spool_dir = Path(temporary) if dry_run else paths.require_spool_dir(environment)
        with (
            _opened(path) as stream,
            replay_files.staged(
                environment, spool_dir, file=path, stream=stream, base=base, on_wait=say_waiting
            ) as staged,
        ):
            _remark(staged)
            place = Place(staged.folder, staged)
            try:
                yield place
            finally:
                if path is None or place.is_finished:
                    staged.discard(is_sent=path is not None and place.was_sent)


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise FileUnreadableError(path, reason=(error.strerror or "unknown").lower()) from error
    with stream:
        yield stream


def _remark(staged: Staged) -> None:
    if staged.is_shared:
        _output.print_notice("Meanwhile that replay has sent all of this file.")
    if staged.is_resumed:
        _output.print_notice("An earlier replay of this file had begun; this one goes on with it.")
    if staged.bad_lines:
        first = f"the first is line {staged.first_bad_line}"
        if staged.bad_lines == 1:
            _output.print_notice(f"Line {staged.first_bad_line} holds no event and is left out.")
        else:
            text = f"{staged.bad_lines} lines hold no event and are left out ({first})."
            _output.print_notice(text)


def say_left_out(invocation: Invocation, place: Place, names: Sequence[str]) -> None:
    """Say on stderr whose events wait here and go elsewhere, or nowhere."""
    from usagectl.delivery import replay as replaying
    from usagectl.delivery import routing
    from usagectl.spool.lines import Selection

    for name in names:
        only = replaying.Options(selection=Selection(tools=(name,)))
        count = replaying.plan(only, base="http://localhost", folder=place.folder).events
        if count:
            stay = f"1 event of {name} stays" if count == 1 else f"{count} events of {name} stay"
            why = routing.why_left_out(invocation.environment, name)
            _output.print_notice(f"{stay} here: {why.message}.", hint=why.hint)


def say_waiting() -> None:
    """Say on stderr why nothing happens yet."""
    _output.print_notice("Another delivery is at work; waiting for it to end (Ctrl-C gives up).")
