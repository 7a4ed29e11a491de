# SPDX-License-Identifier: EUPL-1.2
"""Old events leave the platform's store, SQLite or PostgreSQL, and nothing else changes by it."""

import json
import time
from pathlib import Path

import pytest

from lab.platform import replies, report, retention, store, visits
from lab.platform.contract import Contract
from lab.platform.inbox import Inbox, Message
from lab.platform.testing import uuid7
from lab.platform.writer import Writer
from lab.scale.servers import Postgres, postgres_programs

pytestmark = pytest.mark.integration
NOW = time.time()
DAY = retention.DAY
TOPIC = "parvis/1/cite/gateway-1/ev/visit"


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
    made = Writer(store.open_writer(place), Contract(), Inbox(), lambda *_: None, accept=False)
    yield made
    made._connection.close()


@pytest.fixture
def reader(writer, place):
    """Return what the page reads by."""
    made = store.open_reader(place)
    yield made
    made.close()


def event(seq, name="gateway-1", /, what="session.started", klass="usage", **data):
    body = {
        "specversion": "1.0", "id": uuid7(), "source": f"/cite/{name}", "type": f"eu.parvis.{what}.v1",
        "time": "1970-01-02T00:00:00Z", "epoch": f"epoch-{name}", "seq": seq, "boot": "b1", "monotonic": 1.0,
        "synchronised": False, "datacontenttype": "application/json",
        "data": data or {"session": uuid7(), "plan": "guest", "seconds": 14400},
    }  # fmt: skip
    return Message(f"parvis/1/cite/{name}/ev/{klass}", json.dumps([body]).encode())


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


def asked(seq, key):
    return event(
        seq, what="request.created", klass="order", request=key, kind="desk", subject="bureau", place=None,
        data={"name": "Entreprise Exemple"},
    )  # fmt: skip


def decide(writer, key, *states):
    with store.transaction(writer._connection):
        assert all(replies.answer(writer._connection, key, state, None, NOW) for state in states)


def test_closed_requests_lose_their_words_and_nothing_else(writer, reader):
    """Open ones stay, accepted ones a year; one that comes again is not made, nor decided, again."""
    connection, keys = writer._connection, sorted(uuid7() for _ in range(5))
    opened, waiting, kept, done, refused = keys
    writer._work([asked(n, key) for n, key in enumerate(keys, 1)])
    for key, states in (
        (waiting, ["waitlisted"]), (kept, ["accepted"]), (done, ["accepted", "done"]), (refused, ["rejected"]),
    ):  # fmt: skip
        decide(writer, key, *states)
    assert retention.forget(connection, NOW + 29 * DAY, 30) == 0
    assert retention.forget(connection, NOW + 31 * DAY, 30) == 2
    assert [row["request"] for row in report.requests(reader, 9)] == [waiting, opened, kept]
    assert retention.forget(connection, NOW + 400 * DAY, 30) == 1
    writer._work([asked(n, key) for n, key in enumerate(keys, 6)])
    rows = connection.execute("SELECT data, state FROM requests ORDER BY n").fetchall()
    assert [row[1] for row in rows] == ["received", "waitlisted", "accepted", "done", "rejected"]
    assert ["Exemple" in row[0] for row in rows] == [True, True, False, False, False]


def arrived(seq, key, name):
    return event(
        seq, what="visit.arrived", klass="visit", visit=key, company="exemple", host=None, name=name, people=1,
        place="hall", language="fr", announced=False,
    )  # fmt: skip


def test_of_visits_who_left_is_forgotten_and_who_is_in_the_house_stays(writer, reader):
    """For a month, if nobody tells more; an announced visit goes when its time is over, and so does the word of it."""
    connection, (here, left) = writer._connection, (uuid7(), uuid7())
    both = [arrived(1, here, "N0"), arrived(2, left, "N1")]
    writer._work(both)
    writer._work([event(3, what="visit.left", klass="visit", visit=left, how="desk")])
    told = {"company": "exemple", "host": None, "name": "N2", "people": 1}
    with store.transaction(connection):
        visits.announce(connection, "cite", told, NOW)
        replies.tell_visit(connection, 1, left, {"announced": {"name": "N2"}}, NOW)
        replies.tell_visit(connection, 1, left, {"answer": "seen"}, NOW)
    assert retention.forget(connection, NOW + 31 * DAY, 30) == 2
    writer._work(both)  # the device never heard the acknowledgement
    assert [row["name"] for row in visits.latest(reader, 9)] == ["N0"]
    assert retention.forget(connection, NOW + 31 * DAY, 30) == 0
    replies.confirm(connection, 1, store.reply_epoch(connection), 2)
    assert retention.forget(connection, NOW + 31 * DAY, 30) == 1
    assert "N2" not in str([tuple(row) for row in connection.execute("SELECT * FROM replies").fetchall()])
    with store.transaction(connection):
        replies.tell_visit(connection, 1, left, {"answer": "coming"}, NOW)
    assert connection.execute("SELECT max(n) FROM replies").fetchone()[0] == 3


def test_a_visit_that_its_dead_kiosk_never_ends_is_forgotten_after_a_month(writer, reader):
    """However few days are kept; what its kiosk tells after all is taken, and no name comes back with it."""
    connection, key = writer._connection, uuid7()
    writer._work([arrived(1, key, "N0")])
    assert retention.forget(connection, NOW + 30 * DAY, 1) == 0
    assert [(row["name"], row["waits"]) for row in visits.latest(reader, 9)] == [("N0", True)]
    assert retention.forget(connection, NOW + 32 * DAY, 1) == 1
    assert visits.latest(reader, 9) == []
    writer._work([event(2, what="visit.left", klass="visit", visit=key, how="night")])
    assert [(row["name"], row["waits"]) for row in visits.latest(reader, 9)] == [(None, False)]


def test_a_dead_letter_loses_its_text_and_still_counts(writer, reader):
    """Numbered or not, looked at or not: reason and number stay, and the acknowledgement with them."""
    connection = writer._connection
    writer._work(
        [event(1, what="visit.left", klass="visit", visit="nobody's"), Message(TOPIC, b'[{"a": 1}, {"a": 2}]')]
    )
    before = report.devices(reader)
    assert retention.forget(connection, NOW + 31 * DAY, 30) == 3
    assert [(row["seq"], row["body"]) for row in report.dead_letters(reader, 9)] == [
        (None, None), (None, None), (1, None),
    ]  # fmt: skip
    assert report.devices(reader) == before
    assert before[0]["set_aside"] == 3


def test_the_readme_is_the_table_that_is_obeyed():
    """Each kind of data has its line, as `retention.line` writes it."""
    text = Path(retention.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert all(retention.line(kind) in text for kind in retention.KEPT)
