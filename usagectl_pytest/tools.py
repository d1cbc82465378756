"""Tests of a tool's switches: one for each row of `usagectl verify`, out of its author's file.

    $ python -m pytest mytool.usagectl.toml

A file with that ending is collected like any test; `-k` chooses rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.verify import Result, Row, Trials

SUFFIX = ".usagectl.toml"


class RowError(Exception):
    """A row that does not show what has to be shown, in lines for a person."""

    def __init__(self, result: Result) -> None:
        lines = (f"expected: {result.expected}", f"came: {result.came}", result.why)
        shown = filter(None, (*lines, *result.evidence))
        super().__init__("\n  ".join([f"{result.row.name}: {result.words}", *shown]))


class ToolFile(pytest.File):
    """An author's file: its tests are the rows of the tool that it describes."""

    _trials: Trials

    def collect(self) -> Iterator[RowItem]:
        """List the rows; a file that is wrong, or a tool that is not here, is an error."""
        from usagectl import verify
        from usagectl.machine import environment

        given = environment.from_process()
        try:
            subject = verify.find(str(self.path), given)
        except UsagectlError as error:
            told = f"{error.message}\n\n{error.hint}"
            raise self.CollectError(told) from error
        self._trials = verify.Trials(subject, given)
        for row in verify.plan(subject, given):
            yield RowItem.from_parent(self, name=row.name, row=row)

    def result(self, row: Row) -> Result:
        """Run every row that is to be run, side by side, and return the result of one."""
        from usagectl import verify

        items = (item for item in self.session.items if item.parent is self)
        rows = [item.row for item in items if isinstance(item, RowItem)]
        is_worker = hasattr(self.config, "workerinput")  # A worker of xdist runs a part of them.
        others = [each for each in rows if each.kind != "on" and not is_worker]
        self._trials.run([verify.ON, *others])
        return self._trials.result(row)


class RowItem(pytest.Item):
    """One row as a test; what is not proved fails too, and so does what cannot be sealed."""

    def __init__(self, *, row: Row, parent: ToolFile, **more: object) -> None:
        super().__init__(parent=parent, **more)  # type: ignore[arg-type]
        self.row = row
        self._file = parent

    def runtest(self) -> None:
        """Run the row."""
        result = self._file.result(self.row)
        if result.is_bad:
            raise RowError(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: object) -> str:
        """Say what was expected and what came, without a traceback."""
        error = excinfo.value
        if isinstance(error, UsagectlError):
            return f"{error.message}\n  try: {error.hint}"
        return str(error) if isinstance(error, RowError) else str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[object, int, str]:  # type: ignore[override]
        """Name the file and the row."""
        return self.path, 0, self.name
