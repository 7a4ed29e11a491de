# SPDX-License-Identifier: EUPL-1.2
"""What is old is forgotten; what is open, owed to the platform, or counted by is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_core.settings import load
from edge_core.store import (
    database,
    erasure,
    followed,
    grants,
    kept,
    opposition,
    outbox,
    print_jobs,
    requests,
    retention,
    usage,
    visits,
)

DAY = 86400.0


@pytest.fixture
def store(tmp_path):
    """An empty edge.db."""
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
    settings = load(path, {})
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def session(store, mac, now, holder=None):
    """Open and close a session; return its grant's id."""
    grant = grants.accept(store, mac, "free", 600, now, holder=holder)
    usage.close(store, [(grant, usage.Usage(1, 1, 1, 1))], now + 600)
    return grant.id


def acknowledge(store):
    with database.write(store):
        outbox.acknowledge(store, outbox.last_seq(store))


def test_old_sessions_go_and_the_agent_misses_nothing(store):
    """Ended sessions go after 90 days; a voucher's stay; revisions go on from where they were."""
    session(store, "02:00:00:00:00:01", 0.0)
    kept = session(store, "02:00:00:00:00:02", 0.0, grants.Holder("voucher:1", 1))
    newest = session(store, "02:00:00:00:00:03", 0.0)
    _, seen = followed.changed(store, None)
    assert retention.forget_old(store, 89 * DAY) == 0
    assert retention.forget_old(store, 91 * DAY) == 1
    assert [row[0] for row in store.execute("SELECT id FROM grants")] == [kept, newest]
    assert [row[0] for row in store.execute("SELECT grant_id FROM usage")] == [kept, newest]
    made = grants.accept(store, "02:00:00:00:00:04", "free", 600, 91 * DAY)
    assert [permit.id for permit in followed.changed(store, seen)[0]] == [made.id]
    assert retention.forget_old(store, 91 * DAY) == 1
    assert outbox.account(store).balanced


def test_of_too_many_sessions_the_oldest_go_first(store, monkeypatch):
    """Who logs in and out all day long fills no disk: more than so many are not kept, a voucher's excepted."""
    monkeypatch.setattr(retention, "MOST_SESSIONS", 2)
    monkeypatch.setattr(retention, "_MOST", 1)
    holders = [None, grants.Holder("voucher:1", 1), None, None, None]
    made = [session(store, f"02:00:00:00:00:0{number}", 0.0, holder) for number, holder in enumerate(holders)]
    forgetting = retention.Forgetting(store, 0.0)
    moments = (700.0, 701.0, 702.0, 703.0, 705.0)
    assert [forgetting.turn(running, DAY) for running in moments] == [1, 0, 1, 0, 0]
    assert [row[0] for row in store.execute("SELECT id FROM grants")] == [made[1], *made[3:]]


def test_a_request_goes_only_once_the_platform_has_it(store):
    """The words that somebody wrote in a form are not kept for ever, and never lost before they have left."""
    asked = requests.create(store, kind="room", subject="salle", data={"name": "X"}, place="portal", now=0.0)
    assert retention.forget_old(store, 61 * DAY) == 0
    acknowledge(store)
    assert retention.forget_old(store, 59 * DAY) == 0
    assert retention.forget_old(store, 61 * DAY) == 1
    assert requests.get(store, asked.id) is None


def test_forgetting_waits_for_its_time_and_for_a_clock_that_is_believed(store):
    """A device that boots in 2070 by its own clock deletes nothing until the clock is right."""
    for number in range(2):
        session(store, f"02:00:00:00:00:0{number}", 0.0)
    forgetting = retention.Forgetting(store, 100.0)
    assert forgetting.turn(200.0, 91 * DAY) == 0
    assert forgetting.turn(700.0, None) == 0
    assert forgetting.turn(700.0, 91 * DAY) == 1


def test_old_visits_are_erased_and_it_can_be_shown(store):
    """With tickets and papers, once the platform has them; the proof names nobody and shows whoever changes it."""
    for number in range(3):
        ticket = visits.Ticket(visits.new_code(), "", 1, "", None)
        arrival = visits.Arrival(company="c", host=None, name=f"N{number}", people=1, place="k", language="fr")
        made = visits.arrive(store, arrival, [(ticket, {})], 0.0)
        if number:
            visits.leave(store, made.id, "desk", number * 10 * DAY)
    assert erasure.erase(store, 100 * DAY, 190 * DAY) == 3  # papers only: nothing is acknowledged
    acknowledge(store)
    assert erasure.erase(store, 15 * DAY, 105 * DAY) == 1
    assert erasure.erase(store, 100 * DAY, 190 * DAY) == 1
    assert [row[0] for row in store.execute("SELECT name FROM visits")] == ["N0"]  # somebody is still here
    assert store.execute("SELECT count(*) FROM visit_tickets").fetchone()[0] == 1
    assert print_jobs.counts(store) == {}
    proof = erasure.lines(store)
    assert [line.visits for line in proof] == [1, 1]
    assert erasure.check(proof)
    assert not erasure.check(proof[1:])
    store.execute("UPDATE erasures SET visits = 2 WHERE n = 1")
    assert not erasure.check(erasure.lines(store))


def test_an_erased_name_is_in_no_file_while_the_database_is_open(store, tmp_path):
    """Neither in edge.db nor in its log; a log that somebody reads is emptied once the reader is done."""
    name = "Nom Effaçable Entièrement"

    def held():
        return [file.name for file in (tmp_path / "state").iterdir() if name.encode() in file.read_bytes()]

    arrival = visits.Arrival(company="c", host=None, name=name, people=1, place="k", language="fr")
    gone = visits.arrive(store, arrival, [], 0.0)
    visits.leave(store, gone.id, "scan", 5.0)
    acknowledge(store)
    assert held() != []
    reader = sqlite3.connect(tmp_path / "state" / "edge.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM visits").fetchone()
    forgetting = retention.Forgetting(store, 0.0)
    assert forgetting.turn(600.0, 91 * DAY) == 1
    assert held() != []
    reader.close()
    assert forgetting.turn(603.0, 91 * DAY) == 0
    assert held() == []


def test_the_privacy_document_is_the_table_that_the_purge_obeys():
    """docs/privacy.md is printed from it: `python -m edge_core.store.kept > docs/privacy.md`."""
    text = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert text == kept.document()
    assert all(row.purge and row.seconds for row in kept.PURGED)
    assert {kept.SESSIONS, *kept.PURGED, *kept.OTHERS} == set(kept.TABLE)


def test_every_table_with_something_of_people_is_in_the_document(store):
    """A new table has to be named there, or here as one that holds nothing of anybody."""
    of_nobody = {"meta", "account", "_sqlite_migrations", "sqlite_sequence", "answers", "erasures", "roll_calls"}
    of_staff = {"desk_users", "desk_sessions", "desk_failures"}
    tables = {row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    text = kept.document()
    missing = {name for name in tables - of_nobody - of_staff if f"`{name}`" not in text}
    assert not missing


def test_objections_and_series_go_after_their_time(store):
    """An objection after a year, a window after two; each by its own row of the table."""
    opposition.oppose(store, "02:00:00:00:00:01", 0.0)
    store.execute(
        "INSERT INTO series (zone, access_point, start, seconds, observed, synchronised)"
        " VALUES ('main', '', 0, 300, 300, 1)"
    )
    assert retention.forget_old(store, 364 * DAY) == 0
    assert retention.forget_old(store, 366 * DAY) == 1
    assert opposition.load(store)[1] == frozenset()
    assert retention.forget_old(store, 732 * DAY) == 1
