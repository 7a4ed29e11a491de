# SPDX-License-Identifier: EUPL-1.2
"""Old events leave the platform's store, SQLite or PostgreSQL, and nothing else changes by it."""

import json
import time

import pytest

from lab.platform import retention, store
from lab.platform.contract import Contract
from lab.platform.inbox import Inbox, Message
from lab.platform.testing import uuid7
from lab.platform.writer import Writer
from lab.scale.servers import Postgres, postgres_programs

pytestmark = pytest.mark.integration
NOW = time.time()
DAY = retention.DAY


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Return an SQLite file's path, or the address of an empty PostgreSQL database."""
    if request.param == "sqlite":
        yield str(tmp_path / "platform.db")
        return
    if postgres_programs() is None:
        pytest.skip("postgresql is not installed")
    server = Postgres(tmp_path / "postgres")
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def writer(place):
    """Return a writer that works when it is told to."""
    made = Writer(store.open_writer(place), Contract(), Inbox(), lambda *_: None, accept=True)
    yield made
    made._connection.close()


def event(seq, name="gateway-1"):
    body = {
        "specversion": "1.0", "id": uuid7(), "source": f"/cite/{name}", "type": "eu.parvis.session.started.v1",
        "time": "1970-01-02T00:00:00Z", "epoch": f"epoch-{name}", "seq": seq, "boot": "b1", "monotonic": 1.0,
        "synchronised": False, "datacontenttype": "application/json",
        "data": {"session": uuid7(), "plan": "guest", "seconds": 14400},
    }  # fmt: skip
    return Message(f"parvis/1/cite/{name}/ev/usage", json.dumps([body]).encode())


def held(writer):
    rows = writer._connection.execute(
        "SELECT s.epoch, e.seq FROM events e JOIN streams s ON s.id = e.stream"
    ).fetchall()
    return sorted((row[0].removeprefix("epoch-"), row[1]) for row in rows)


def test_what_arrived_long_ago_goes_and_is_still_a_duplicate(writer):
    """By its arrival, not the device's clock; what is not acknowledged stays; what comes again is not held twice."""
    connection = writer._connection
    old = [event(seq) for seq in (1, 2, 3, 5)]  # the fourth never came: the fifth is not acknowledged
    writer._work([*old, event(1, "gateway-2")])
    assert retention.prune(connection, NOW, 30) == 0
    writer._work([event(6), event(2, "gateway-2")])
    assert retention.prune(connection, NOW + 29 * DAY, 30) == 0
    assert retention.prune(connection, NOW + 31 * DAY, 30) == 4
    assert held(writer) == [("gateway-1", 5), ("gateway-1", 6), ("gateway-2", 2)]
    writer._work([*old, event(4)])
    assert held(writer) == [("gateway-1", 4), ("gateway-1", 5), ("gateway-1", 6), ("gateway-2", 2)]
    sql = "SELECT acked, received, duplicates, conflicts FROM streams WHERE epoch = 'epoch-gateway-1'"
    assert tuple(connection.execute(sql).fetchone()) == (6, 6, 4, 0)
    assert connection.execute("SELECT count(*) FROM sessions").fetchone()[0] == 8
    assert connection.execute("SELECT sum(n) FROM totals").fetchone()[0] == 8


def test_many_old_events_go_in_small_steps(writer, monkeypatch):
    """A step deletes a bounded number; the last event stays, so that no number is given again."""
    monkeypatch.setattr(retention, "_BATCH", 40)
    writer._work([event(seq) for seq in range(1, 101)])
    assert retention.prune(writer._connection, NOW + DAY, 30) == 0
    steps = [retention.prune(writer._connection, NOW + 40 * DAY, 30) for _ in range(4)]
    assert steps == [40, 40, 19, 0]
    writer._work([event(101)])
    assert held(writer) == [("gateway-1", 100), ("gateway-1", 101)]
