"""The detached process that sends after a command: it waits a second, sends, and ends in time.

Its command line holds nothing but this module's name.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME_SECONDS = 10.0


def main(
    *,
    lifetime: float = LIFETIME_SECONDS,
    rest: float = 1.0,
    deliver: Callable[[], None] | None = None,
) -> None:
    """Send the events that wait, once, and end within the lifetime whatever hangs.

    The next command has the processor to itself for the `rest`, in seconds; its events go in
    the same request.
    """
    _limit_lifetime(lifetime)
    if hasattr(os, "nice"):
        os.nice(19)
    time.sleep(rest)
    (deliver or _deliver)()


def _deliver() -> None:
    from usagectl.delivery import sender
    from usagectl.errors import UsagectlError
    from usagectl.machine import environment

    found = environment.from_process()
    found = found._replace(cwd=Path(found.variables.get("PWD", found.cwd)))
    try:
        sender.send(found)
    except (UsagectlError, OSError):  # Nobody is there to be told; status tells.
        return


def _limit_lifetime(seconds: float) -> None:
    """Have the system end this process; no code of ours has to run for that."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return
    end = threading.Timer(seconds, os._exit, args=(1,))
    end.daemon = True
    end.start()


if __name__ == "__main__":
    main()
