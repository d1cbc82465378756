"""The entry point: `usagectl` and `python -m usagectl`."""

from __future__ import annotations

import gc
import sys

_GC_THRESHOLD = 100_000
"""Start-up makes many objects and no garbage; looking for it took an eighth of a status."""

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(_GC_THRESHOLD)
    try:
        from usagectl import cli  # after the threshold is set: that is the point

        status = cli.main(sys.argv[1:])
        gc.freeze()  # Nor at the end: the interpreter would look through every object again.
        sys.exit(status)
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit(_fail_without(error.name))
    except KeyboardInterrupt:  # During the imports; later the command line sees to it.
        sys.exit(_INTERRUPTED)


def _fail_without(library: str) -> int:
    """Say what is missing where `usagectl-core` is installed alone; return the exit status."""
    from usagectl.errors import LibraryMissingError

    error = LibraryMissingError(library)
    sys.stderr.write(f"error: {error.message} [{error.code}]\n  try: {error.hint}\n")
    return error.exit_status


if __name__ == "__main__":
    main()
