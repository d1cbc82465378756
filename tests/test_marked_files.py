"""Tests of additions to files of others: once, at the end, and taken back byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from usagectl.machine.marked_files import Piece, carry_out, plan_adding, plan_removing

if TYPE_CHECKING:
    from tests.support.machine import Machine

AUTHOR = "usagectl test"

CONTENTS = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.lists(
        st.sampled_from((b"a", b"# added by usagectl test", b"# added by other", b"\xff", b" ")),
        max_size=6,
    ).map(b"\r\n".join),
    st.lists(st.sampled_from((b"x = 1", b"", b"# end", b"if true; then")), max_size=6).map(
        b"\n".join
    ),
)
PIECES = st.tuples(st.sampled_from(("line", "block")), st.sampled_from(("one", "two = 2  # x")))


@given(CONTENTS, PIECES, st.booleans())
@example(b"a\n\r", ("line", "one"), False)  # noqa: FBT003  (hypothesis gives it so)
@example(b"a\r\nb", ("block", "one"), False)  # noqa: FBT003
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_added_is_taken_back(
    machine: Machine,
    content: bytes | None,
    given_piece: tuple[str, str],
    is_again: bool,  # noqa: FBT001
) -> None:
    """Any bytes are as before; the piece stands in them once; adding it again changes nothing."""
    file = machine.home / "folder" / "file"
    before = None if content is None or b"# added by usagectl test" in content else content
    file.unlink(missing_ok=True)
    if file.parent.exists():
        file.parent.rmdir()
    if before is not None:
        file.parent.mkdir()
        file.write_bytes(before)
    environment = machine.environment()
    piece = Piece(file, given_piece[1], given_piece[0])  # type: ignore[arg-type]
    if is_again:  # An older text of it is replaced.
        carry_out(plan_adding(environment, piece._replace(text="older"), author=AUTHOR))
    carry_out(plan_adding(environment, piece, author=AUTHOR))
    held = file.read_bytes()
    assert held.count(AUTHOR.encode()) == 1
    assert held.startswith(before or b"")
    assert plan_adding(environment, piece, author=AUTHOR).is_same
    carry_out(plan_removing(environment, file, author=AUTHOR))
    assert (file.read_bytes() if file.exists() else None) == before
    assert file.parent.exists() == (before is not None)


def test_what_is_added_later_stays(machine: Machine) -> None:
    """Lines after ours, and a file that was ours alone until somebody wrote into it, stay."""
    environment = machine.environment()
    for before, after in ((b"a", b"a\nb\n"), (b"a\n", b"a\nb\n"), (None, b"b\n")):
        file = machine.home / "file"
        file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)
        carry_out(plan_adding(environment, Piece(file, "x", "line"), author=AUTHOR))
        file.write_bytes(file.read_bytes() + b"b\n")
        carry_out(plan_removing(environment, file, author=AUTHOR))
        assert file.read_bytes() == after


def test_a_line_that_only_speaks_of_the_mark_stays(machine: Machine) -> None:
    """The mark counts at the end of a line; another author's piece is not touched."""
    file = machine.home / "file"
    text = b"grep '# added by usagectl test' x\ny  # added by usagectl tester\n"
    file.write_bytes(text)
    assert plan_removing(machine.environment(), file, author=AUTHOR).is_same


def test_the_difference_is_a_unified_diff(machine: Machine) -> None:
    """A missing line end is shown as diff shows it, a missing file as /dev/null."""
    file = machine.home / "file"
    file.write_bytes(b"a\xff")
    piece = Piece(file, "x", "line")
    text = plan_adding(machine.environment(), piece, author=AUTHOR).diff()
    assert text == (
        f"--- {file}\n+++ {file}\n@@ -1 +1,2 @@\n-a\\xff\n\\ No newline at end of file\n"
        "+a\\xff\n+x  # added by usagectl test [made: line end]\n"
    )
    fresh = piece._replace(file=machine.home / "fresh")
    assert (
        plan_adding(machine.environment(), fresh, author=AUTHOR)
        .diff()
        .startswith(f"--- /dev/null\n+++ {machine.home}/fresh\n")
    )
