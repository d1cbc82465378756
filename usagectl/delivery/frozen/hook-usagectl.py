"""What PyInstaller has to add to a program that records through usagectl: data, and tools."""

from __future__ import annotations

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

datas = collect_data_files("usagectl")
# They are imported by their names: on demand, or as a line of a list.
hiddenimports = [
    *("usagectl.consent", "usagectl.errors", "usagectl.switching", "usagectl.events.kinds"),
    *("usagectl.events.schemas", "usagectl.machine.environment", "usagectl._version"),
    *("usagectl.embedding", "usagectl.own_commands"),
    *collect_submodules("usagectl.emitting"),
    *collect_submodules("usagectl.tools"),
]
