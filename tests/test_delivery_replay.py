"""Tests of a replay: what it takes, when it ends, and what it has noted by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.delivering import fill, numbers, register, send, states
from tests.support.endpoint import Connection, Endpoint, Received, always, in_turn
from usagectl import spool
from usagectl.delivery import replay
from usagectl.delivery.requests import as_said
from usagectl.errors import LockTimeoutError
from usagectl.machine import files
from usagectl.spool import Selection

if TYPE_CHECKING:
    from tests.support.machine import Machine


def test_an_endpoint_that_refuses_everything_gets_three_tries(machine: Machine) -> None:
    """A wrong address must not drain the spool; one success shows that it is not wrong."""
    fill(machine, 50)
    with Endpoint(always(404, b"not here")) as there:
        result = send(machine, there.base, batch_size=5)
    assert len(there.received) == 3
    assert (result.progress.rejected, result.kept) == (15, 35)
    assert result.problem is not None
    assert "the rest was not tried" in result.problem.message
    assert {state: len(each) for state, each in states(machine).items()} == {
        "pending": 35,
        "sent": 0,
        "rejected": 15,
    }
    with Endpoint(in_turn(always(200), always(400))) as there:
        result = send(machine, there.base, batch_size=5)
    assert (result.progress.sent, result.progress.rejected, result.kept) == (5, 30, 0)


def test_a_receiver_is_quoted_by_its_first_line() -> None:
    """Not by a page, and not by more than a person reads."""
    said = {text: as_said(text) for text in ("no. \nmore", "<html>no</html>", " ", "x" * 999)}
    assert list(said.values()) == [": no", "", "", f": {'x' * 300}"]


def test_every_request_that_went_out_is_counted(machine: Machine) -> None:
    """One that is taken later, split or refused has left this machine each time."""
    fill(machine, 4)
    with Endpoint(in_turn(always(503), always(413), always(200))) as there:
        result = send(machine, there.base)
    sent = [len(each.body) for each in there.received]
    assert (result.progress.sent, len(sent)) == (4, 4)
    assert (result.progress.batches, result.progress.bytes) == (4, sum(sent))


def test_what_is_chosen_goes_in_order(machine: Machine) -> None:
    """Selection, limit and batch size hold together; what is left goes next time, once."""
    fill(machine, 10)
    fill(machine, 10, tool="other")
    with Endpoint() as there:
        other = Selection(tools=("other",))
        result = send(machine, there.base, selection=other, limit=4, batch_size=3)
        assert (result.planned, result.kept, result.progress.batches) == (4, 0, 2)
        assert numbers(there) == [0, 1, 2, 3]
        send(machine, there.base, selection=other)
        send(machine, there.base)
    assert numbers(there) == [*range(10), *range(10)]


def test_copies_stay(machine: Machine) -> None:
    """Copies that are taken or refused leave the events where they wait."""
    bodies = fill(machine, 5)
    with Endpoint(in_turn(always(200), always(400))) as there:
        send(machine, there.base, copies=True)
        result = send(machine, there.base, copies=True)
    assert numbers(there) == [*range(5), *range(5)]
    assert states(machine) == {"pending": bodies, "sent": [], "rejected": []}
    assert result.problem is not None
    assert "these were copies" in result.problem.message
    assert "--rejected" not in result.problem.hint


def test_an_opt_out_stops_a_delivery_before_its_next_request(machine: Machine) -> None:
    """That of everybody, or of one tool whose events are sent; what was accepted is noted."""
    register(machine, one="")
    machine.config_dir.mkdir(exist_ok=True)
    settings = machine.config_dir / "settings.toml"
    for table in ("telemetry", "tools.one"):
        fill(machine, 20)

        def withdraw(
            connection: Connection, _request: Received, text: str = f'[{table}]\nmode = "off"\n'
        ) -> None:
            settings.write_text(text)
            connection.answer(200)

        with Endpoint(withdraw) as there, spool.open_spool(machine.environment()) as store:
            machine.variables["ANALYTICS_API"] = there.base
            environment = machine.environment()
            route = replay.find_route(environment, spool.ALL, to=None)
            options = replay.Options(selection=route.selection, batch_size=5)
            result = replay.run(environment, options, base=route.base, store=store)
            assert len(there.received) == 1
            assert (result.progress.sent, result.kept) == (5, 15)
            assert store.count(("sent",)) == 5
            store.purge(spool.STATES)
        assert result.problem is not None
        assert result.problem.code == "telemetry-off"
        settings.unlink()


def test_a_replay_waits_for_another_one_as_long_as_it_may(machine: Machine) -> None:
    """Whoever comes second is told once; without patience it gives up."""
    fill(machine, 1)
    environment = machine.environment()
    told: list[str] = []
    with (
        Endpoint() as there,
        spool.open_spool(environment) as store,
        files.lock(files.require_delivery_dir(environment), seconds=0),
    ):
        for seconds, expected in ((0.0, []), (0.3, ["waiting"])):
            with pytest.raises(LockTimeoutError):
                replay.run(
                    environment,
                    replay.Options(to=there.base),
                    base=there.base,
                    store=store,
                    patience_seconds=seconds,
                    on_wait=lambda: told.append("waiting"),
                )
            assert told == expected
    assert there.accepted == 0


def test_a_store_that_takes_no_note_ends_the_replay(machine: Machine) -> None:
    """Nothing goes that cannot be noted; what fails later goes again, and the counts are told."""
    fill(machine, 6)
    environment = machine.environment()

    def end_writing(done: replay.Progress, _planned: int) -> None:
        if done.sent == enough:
            store._connection.execute("PRAGMA query_only = 1")  # noqa: SLF001

    for enough, requests in ((0, 0), (2, 2)):
        with Endpoint() as there, spool.open_spool(environment) as store:
            options = replay.Options(to=there.base, batch_size=2)
            result = replay.run(
                environment, options, base=there.base, store=store, on_progress=end_writing
            )
        assert len(there.received) == requests
        assert (result.progress.sent, result.kept) == (enough, 6 - enough)
        assert result.problem is not None
        assert result.problem.code == "spool-unwritable"
        assert "spool.db cannot be written: attempt to write" in result.problem.message
    with Endpoint() as there:
        send(machine, there.base)
    assert numbers(there) == [2, 3, 4, 5]


def test_events_purged_meanwhile_are_not_kept(machine: Machine) -> None:
    """A purge in another process shortens a replay that is under way."""
    fill(machine, 10)

    def purge(connection: Connection, _request: Received) -> None:
        with spool.open_spool(machine.environment()) as store:
            store.purge()
        connection.answer(200)

    with Endpoint(purge) as there:
        result = send(machine, there.base, batch_size=4)
    assert (result.planned, result.progress.sent, result.kept) == (4, 4, 0)
    assert result.problem is None
