"""Own the entry point: `usagectl` and `python -m usagectl`."""

from __future__ import annotations

import gc
import sys

_GC_THRESHOLD = 100_000
"""Start-up makes many objects and no garbage; looking for it took an eighth of a status."""


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(_GC_THRESHOLD)
    from usagectl.cli import run  # imported after the threshold is set: that is the point

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
