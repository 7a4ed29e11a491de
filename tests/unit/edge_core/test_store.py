# SPDX-License-Identifier: EUPL-1.2
"""The store: grants, usage, outbox and requests keep their promises on a real SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import datetime
from uuid import UUID

import pytest

from edge_core import coarse, events
from edge_core.errors import StoreError
from edge_core.settings import load
from edge_core.store import database, followed, grants, outbox, requests, usage

MAC = "02:00:00:00:00:01"
NOW = 1_800_000_000.0


@pytest.fixture
def settings(tmp_path):
    """Settings with a state folder of their own."""
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
    return load(path, {})


@pytest.fixture
def edge(settings):
    """A migrated edge.db, open."""
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def epoch_of(settings):
    """Return the epoch of the database as it is now."""
    with closing(database.open_edge(settings.edge_db)) as connection:
        return outbox.epoch(connection)


def append(connection, count=1):
    """Append events and return the last number."""
    with database.write(connection):
        return [outbox.append(connection, events.Up(version="1", role="gateway"), NOW) for _ in range(count)][-1]


def test_migrating_twice_changes_nothing(settings):
    """The oneshot may run at each start; the epoch stays."""
    database.migrate(settings)
    first = epoch_of(settings)
    database.migrate(settings)
    assert epoch_of(settings) == first


def test_a_store_that_was_not_migrated_is_refused(settings):
    """A service never runs on a schema that it doesn't know."""
    settings.device.state_dir.mkdir()
    with pytest.raises(StoreError, match="parvis migrate"):
        database.open_edge(settings.edge_db)
    sqlite3.connect(settings.edge_db).close()
    settings.edge_db.touch()
    with pytest.raises(StoreError, match="parvis migrate"):
        database.open_edge(settings.edge_db)


def test_damage_within_is_found_at_the_start(settings):
    """A page lost in the middle of the file is no reason to fail for ever: it is set aside as a whole."""
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    with database.write(connection):
        for number in range(2000):
            outbox.append(connection, events.Up(version=str(number), role="gateway"), NOW)
    before = outbox.epoch(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with settings.edge_db.open("r+b") as file:
        file.seek(settings.edge_db.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 4)
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    assert outbox.epoch(connection) != before
    connection.close()
    assert list(settings.device.state_dir.glob("edge-corrupt-*.db"))


def test_a_corrupt_store_is_set_aside(settings):
    """A device boots with a damaged database: the file is kept beside, a fresh one has a new epoch."""
    database.migrate(settings)
    first = epoch_of(settings)
    settings.edge_db.write_bytes(b"nonsense" * 1000)
    settings.edge_db.with_name("edge.db-wal").unlink(missing_ok=True)
    database.migrate(settings)
    assert epoch_of(settings) != first
    assert list(settings.device.state_dir.glob("edge-corrupt-*.db"))


def test_accepting_twice_is_one_grant_and_one_event(edge):
    """A form sent twice grants once and tells once."""
    first = grants.accept(edge, MAC, "free", 60, NOW)
    second = grants.accept(edge, MAC, "free", 60, NOW + 5)
    assert first == second
    assert [row[1] for row in outbox.read_after(edge, 0, 10)] == ["usage"]


def test_accepting_at_the_same_moment_is_one_grant(settings, edge):
    """Two threads of the portal that accept for one device end with one grant."""
    found = []

    def accept():
        connection = database.open_edge(settings.edge_db)
        found.append(grants.accept(connection, MAC, "free", 60, NOW).id)
        connection.close()

    threads = [threading.Thread(target=accept) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_an_expired_grant_gives_way_to_a_new_one(edge):
    """Who comes back after the end starts a new session; the old one is marked as expired, at its own end."""
    old = grants.accept(edge, MAC, "free", 60, NOW)
    new = grants.accept(edge, MAC, "free", 60, NOW + 100)
    assert new.id != old.id
    over = followed.over(edge, NOW + 100, 10)
    assert [(g.id, g.ended_at, g.end_reason) for g in over] == [(old.id, NOW + 60, "expired")]


@pytest.mark.parametrize(("running", "border"), [(5000.0, 0), (100.0, 300)])
def test_a_sessions_events_tell_five_minutes_and_no_moment(edge, monkeypatch, running, border):
    """Not in time, not by the clock since boot, not inside of an id, and not by a length that two windows would pin."""
    start, length = NOW + 137.25, 4000
    monkeypatch.setattr(outbox.clock, "monotonic", lambda: running)
    until_closing = grants.accept(edge, MAC, "guest", 7777, start)
    ended = grants.end(edge, MAC, "logout", start + length)
    usage.close(edge, [(ended, usage.Usage())], start + length)
    bodies = [json.loads(body) for _, _, body in outbox.read_after(edge, 0, 9)]
    assert [body["type"].split(".")[3] for body in bodies] == ["started", "ended"]
    for body, moment in zip(bodies, (start, start + length), strict=True):
        time = datetime.fromisoformat(body["time"]).timestamp()
        assert time % 300 == 0
        assert abs(time - moment) < 300
        assert time - body["monotonic"] == pytest.approx(moment - running, abs=0.01), "the clocks moved alike"
        assert body["monotonic"] >= 0
        for key in (body["id"], body["data"]["session"]):
            assert UUID(key).version == 7
            assert (UUID(key).int >> 80) / 1000 % 300 == 0
    assert datetime.fromisoformat(bodies[0]["time"]).timestamp() == NOW + border
    assert (bodies[0]["data"]["seconds"], bodies[1]["data"]["duration"]) == (7800, 3900)
    told = {body["data"]["session"] for body in bodies}
    assert told == {coarse.identifier(until_closing.session)}, "one session, beginning and end"


def test_of_two_sessions_of_a_window_the_site_knows_the_later(edge):
    """Gateways settle by their ids who makes room for whom; what the platform is told of them is as coarse as ever."""
    first, second = (grants.accept(edge, mac, "guest", 3600, NOW) for mac in (MAC, "02:00:00:00:00:02"))
    assert first.session < second.session
    told = [json.loads(body)["data"]["session"] for _, _, body in outbox.read_after(edge, 0, 9)]
    assert told == [coarse.identifier(first.session), coarse.identifier(second.session)]
    assert len(set(told)) == 2


def test_a_short_plan_keeps_its_length(edge):
    """What is a plan's own length says nothing of a moment."""
    grants.accept(edge, MAC, "guest", 61, NOW)
    assert json.loads(outbox.read_after(edge, 0, 1)[0][2])["data"]["seconds"] == 61


def test_a_session_is_closed_once(edge):
    """The end of a session is told exactly once, with its last totals, however often it is tried."""
    grants.accept(edge, MAC, "free", 600, NOW)
    grants.end(edge, MAC, "logout", NOW + 310)
    (grant,) = followed.over(edge, NOW + 310, 10)
    usage.record(edge, [(grant.id, usage.Usage(1, 1, 1, 1))], NOW)
    assert usage.close(edge, [(grant, usage.Usage(10, 2, 30, 4))], NOW + 311)
    assert not usage.close(edge, [(grant, usage.Usage(99, 9, 99, 9))], NOW + 312)
    assert followed.over(edge, NOW + 320, 10) == []
    bodies = [row[2] for row in outbox.read_after(edge, 0, 10)]
    assert len(bodies) == 2
    assert '"duration":300,"up_bytes":10,"up_packets":2,"down_bytes":30,"down_packets":4' in bodies[1]


def test_what_changed_is_found_by_its_revision(edge):
    """Each change of a grant, whoever made it, is found once; a look without news finds nothing."""
    first = grants.accept(edge, MAC, "free", 60, NOW)
    found, top = followed.changed(edge, None)
    assert [permit.id for permit in found] == [first.id]
    assert followed.changed(edge, top) == ([], top)
    second = grants.accept(edge, "02:00:00:00:00:09", "free", 60, NOW)
    grants.end(edge, MAC, "logout", NOW + 1)
    found, later = followed.changed(edge, top)
    assert {permit.id: permit.ended_at for permit in found} == {first.id: NOW + 1, second.id: None}
    edge.execute("UPDATE grants SET expires_at = expires_at + 9 WHERE id = ?", [second.id])
    assert [permit.expires_at for permit in followed.changed(edge, later)[0]] == [NOW + 69]


def test_a_clock_that_was_set_takes_the_grants_along(edge):
    """Open grants that were known before move by the step; ended ones and newer ones stay."""
    old = grants.accept(edge, MAC, "free", 60, NOW)
    new = grants.accept(edge, "02:00:00:00:00:09", "free", 60, NOW + 5000)
    with database.write(edge):
        assert followed.shift(edge, 5000.0, old.id) == 1
    assert {g.id: g.remaining(NOW + 5010) for g in grants.active(edge, NOW + 5010)} == {old.id: 50, new.id: 50}


def test_a_blocked_device_loses_its_session(edge):
    """Blocking ends the grant and is undone once."""
    grants.accept(edge, MAC, "free", 60, NOW)
    assert followed.block(edge, MAC, NOW + 1)
    assert not followed.block(edge, MAC, NOW + 2)
    assert grants.active(edge, NOW + 2) == []
    assert followed.blocked(edge) == {MAC}
    assert followed.unblock(edge, MAC)
    assert not followed.unblock(edge, MAC)


def test_a_device_is_forgotten_with_its_session(settings, edge):
    """Once the end is told the MAC address is in no table and, after a checkpoint, in no byte of the files."""
    grants.accept(edge, MAC, "free", 60, NOW)
    grants.end(edge, MAC, "logout", NOW + 10)
    (grant,) = followed.over(edge, NOW + 10, 10)
    assert MAC.encode() in b"".join(path.read_bytes() for path in settings.device.state_dir.glob("edge.db*"))
    usage.close(edge, [(grant, usage.Usage())], NOW + 11)
    edge.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert MAC.encode() not in b"".join(path.read_bytes() for path in settings.device.state_dir.glob("edge.db*"))


def test_two_forgotten_devices_do_not_clash(edge):
    """Any number of sessions may be over and forgotten, also those that ran out by themselves."""
    for number in range(3):
        grants.accept(edge, f"02:00:00:00:00:{number:02x}", "free", 60, NOW)
    for grant in followed.over(edge, NOW + 100, 10):
        assert usage.close(edge, [(grant, usage.Usage())], NOW + 100)
    assert followed.over(edge, NOW + 100, 10) == []


def test_the_account_balances_through_everything(edge):
    """created = acked + pending + dropped at every step; an acknowledgement that comes twice counts once."""
    append(edge, 10)
    with database.write(edge):
        assert outbox.acknowledge(edge, 4) == 4
        assert outbox.acknowledge(edge, 4) == 0
        assert outbox.drop(edge, 6, 7) == 2
    account = outbox.account(edge)
    assert (account.created, account.acked, account.pending, account.dropped) == (10, 4, 4, 2)
    assert account.balanced
    assert [row[0] for row in outbox.read_after(edge, 4, 10)] == [5, 8, 9, 10]


def test_numbers_are_never_used_twice(edge):
    """After everything is acknowledged the next event has a higher number still."""
    last = append(edge, 3)
    with database.write(edge):
        outbox.acknowledge(edge, last)
    assert append(edge) == last + 1 == outbox.last_seq(edge)


def test_a_failed_transaction_leaves_no_hole(edge):
    """A rolled back append gives its number back: numbers have no undeclared holes."""
    last = append(edge)
    with pytest.raises(RuntimeError), database.write(edge):
        outbox.append(edge, events.Up(version="1", role="gateway"), NOW)
        raise RuntimeError
    assert append(edge) == last + 1
    assert outbox.account(edge).created == 2


def test_a_request_and_its_event_are_one(edge):
    """A request is recorded together with its event, and keeps the person's answers as they were given."""
    request = requests.create(edge, kind="room", subject="salle", data={"when": "œuf"}, place="kiosk", now=NOW)
    assert requests.get(edge, request.id) == request
    assert outbox.account(edge).pending == 1


def test_replies_move_a_request_forward_only(edge):
    """A reply that comes late or twice, or is nonsense, changes nothing."""
    key = requests.create(edge, kind="room", subject="salle", data={}, place="kiosk", now=NOW).id

    def reply(state, reference=None):
        with database.write(edge):
            return requests.apply_reply(edge, request=key, state=state, reason=None, reference=reference, now=NOW)

    assert reply("accepted", "R-1")
    assert not reply("accepted", "R-2")
    assert not reply("waitlisted")
    assert not reply("nonsense")
    assert reply("done")
    assert requests.get(edge, key).reference == "R-1"
    with database.write(edge):
        assert not requests.apply_reply(edge, request="none", state="done", reason=None, reference=None, now=NOW)


def test_a_full_disk_is_told_and_nothing_is_half_written(edge):
    """When SQLite has no room, the person is told and neither grant nor event exists."""
    pages = edge.execute("PRAGMA page_count").fetchone()[0]
    edge.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full"):
        for number in range(10_000):
            requests.create(edge, kind="k", subject="s", data={"t": "x" * 500}, place="kiosk", now=NOW + number)
    count = edge.execute("SELECT count(*) FROM requests").fetchone()[0]
    assert outbox.account(edge).pending == count
