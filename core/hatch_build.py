"""The code that `usagectl-core` holds: the packages in the folder above this one.

Hatchling's own `force-include` would do, but that copies them into an editable installation too,
where Python would import the copies; `dev-mode-dirs` leads such a one to the folder above.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = ("usagectl", "usagectl_pytest")


class PackagesHook(BuildHookInterface[Any]):
    """Adds the packages to a wheel, and to a source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the folders of the packages, and where they go."""
        if version == "editable":
            return
        here = Path(self.root)
        # In an unpacked source distribution they lie beside this file.
        source_dir = here if (here / PACKAGES[0]).is_dir() else here.parent
        build_data["force_include"].update({str(source_dir / name): name for name in PACKAGES})
