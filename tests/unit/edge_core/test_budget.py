# SPDX-License-Identifier: EUPL-1.2
"""Room for events: usage goes first, summed up and declared; what was promised stays, or is refused in words."""

import itertools
import json
import uuid
from types import SimpleNamespace

import pytest

from edge_core import events
from edge_core.errors import StoreError
from edge_core.store import budget, database, outbox, requests


@pytest.fixture
def edge(tmp_path):
    settings = SimpleNamespace(edge_db=tmp_path / "edge.db")
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def fill(edge, count, order_each=50):
    with database.write(edge):
        for number in range(count):
            if order_each and number % order_each == 0:
                event = events.RequestCreated(request=f"r{number}", kind="room", subject="s", place="kiosk")
            else:
                event = events.SessionEnded(
                    session=str(uuid.UUID(int=number)), plan="guest", reason="expired", duration=10,
                    up_bytes=1, up_packets=1, down_bytes=2, down_packets=1,
                )  # fmt: skip
            outbox.append(edge, event, 1.0)


def test_with_room_nothing_is_dropped(edge):
    """Below the bound, trimming does nothing."""
    fill(edge, 500)
    assert budget.trim(edge, 2.0) == 0
    assert outbox.account(edge).dropped == 0


def test_usage_goes_first_and_is_declared(edge):
    """The oldest usage goes, every dropped number is in a gap, the sums stay, orders stay, the account is true."""
    fill(edge, 3000)
    before = {row[0]: row[1] for row in edge.execute("SELECT seq, class FROM outbox")}
    room = budget.measure(edge).used
    dropped = budget.trim(edge, 2.0, room)
    assert dropped == 2940
    after = {row[0] for row in edge.execute("SELECT seq FROM outbox")}
    assert {seq for seq, klass in before.items() if klass == "order"} <= after
    declared = set()
    for (body,) in edge.execute("SELECT body FROM outbox WHERE type = ?", [events.Gap.type]).fetchall():
        gap = __import__("json").loads(body)["data"]
        assert gap["count"] == gap["last"] - gap["first"] + 1
        declared |= set(range(gap["first"], gap["last"] + 1))
    assert declared == before.keys() - after
    (rollup,) = edge.execute("SELECT body FROM outbox WHERE type = ?", [events.UsageRollup.type]).fetchall()
    assert '"sessions":2940' in rollup[0]
    assert '"down_bytes":5880' in rollup[0]
    assert outbox.account(edge).balanced
    assert outbox.account(edge).dropped == 2940
    assert outbox.recount(edge)


@pytest.mark.parametrize("damage", ["x'ff'", "x'7b22'", """replace(body, '"duration":10', '"duration":"?"')"""])
def test_damaged_rows_make_room_like_the_others(edge, damage):
    """A row that a bad disk made unreadable goes and is declared; it doesn't hold up all that should make room."""
    fill(edge, 300, order_each=0)
    edge.execute(f"UPDATE outbox SET body = CAST({damage} AS TEXT) WHERE seq = 7")
    edge.execute("UPDATE outbox SET type = CAST(x'ff' AS TEXT) WHERE seq = 8")
    assert budget.trim(edge, 2.0, room=1000) == 300
    rollup = json.loads(edge.execute("SELECT body FROM outbox WHERE type = ?", [events.UsageRollup.type]).fetchone()[0])
    assert rollup["data"]["up_bytes"] in (298, 299)
    assert outbox.account(edge).balanced


def test_trimming_ends(edge):
    """Again and again until there is room, or nothing that may be dropped: it always comes to an end."""
    fill(edge, 2000, order_each=3)
    room = budget.measure(edge).used // 4
    rounds = next(number for number in itertools.count() if not budget.trim(edge, 2.0, room))
    assert rounds < 50
    left = dict(edge.execute("SELECT class, count(*) FROM outbox GROUP BY class").fetchall())
    assert left["order"] == 667
    assert outbox.account(edge).balanced


def test_what_is_leaving_is_not_dropped(edge):
    """While the platform acknowledges, only what promises need is made free; when it falls silent, the bound holds."""
    fill(edge, 3000)
    tight, full = (int(budget.measure(edge).used * share) for share in (1.1, 0.9))
    trimming = budget.Trimming()
    assert trimming.turn(edge, 100, 2.0, tight) == 0
    assert trimming.turn(edge, 200, 2.0, full) == 2940
    fill(edge, 3000)
    tight = int(budget.measure(edge).used * 1.1)
    assert trimming.turn(edge, 300, 2.0, tight) == 0
    assert trimming.turn(edge, 300, 2.0, tight) > 0


@pytest.mark.parametrize(("disk", "room"), [(1 << 40, budget.ROOM), (4 << 30, 1 << 30)])
def test_a_small_disk_is_not_filled(edge, monkeypatch, disk, room):
    """A week of events where there is room for it; a quarter of a small disk, so that the system has the rest."""
    monkeypatch.setattr(budget.os, "statvfs", lambda _: SimpleNamespace(f_blocks=disk // 4096, f_frsize=4096))
    assert budget.measure(edge).room == room


def test_a_promise_without_room_is_refused(edge, monkeypatch):
    """When even the reserved part is used up, the page is told, and nothing is recorded."""
    monkeypatch.setattr(budget, "measure", lambda connection, room=0: budget.Room(101, 100))
    with pytest.raises(StoreError, match="full"):
        requests.create(edge, kind="room", subject="s", data={}, place="kiosk", now=1.0)
    assert edge.execute("SELECT count(*) FROM requests").fetchone()[0] == 0


def test_spans():
    """Numbers in a row are one span."""
    assert budget.runs([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]
    assert budget.runs([]) == []
