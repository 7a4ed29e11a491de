# SPDX-License-Identifier: EUPL-1.2
"""Kiosks of a site know each other's visitors; nobody else does, and no order or repetition changes the outcome."""

from __future__ import annotations

import json
import os
import zlib

import pytest

from edge_core.settings import load
from edge_core.store import database, roll_calls, shared_visits, visits
from edge_core.store.visits import Arrival, Ticket
from sync.exchange import Exchange


class Kiosk:
    """A device of a site: its store, its exchange, and what it published."""

    def __init__(self, folder, name, secret="k" * 40, site="parc"):
        folder.mkdir()
        (folder / "site.key").write_text(secret)
        path = folder / "device.toml"
        path.write_text(
            f'[site]\nid = "{site}"\nname = "Parc"\nkey = "{folder / "site.key"}"\n'
            f'[device]\nid = "{name}"\nstate_dir = "{folder}/state"\n'
        )
        settings = load(path, {})
        database.migrate(settings)
        self.name = name
        self.store = database.open_edge(settings.edge_db)
        self.told = []
        self.online = True
        self.exchange = Exchange(settings, self.store, self.publish)

    def publish(self, payload):
        self.told += [payload] * self.online
        return self.online

    def arrive(self, now, people=1, tickets=1):
        made = [(Ticket(visits.new_code(), "", people, "", None), {}) for _ in range(tickets)]
        arrival = Arrival(company="ardoise", host=None, name="Éloi Ñ", people=people, place=self.name, language="fr")
        return visits.arrive(self.store, arrival, made, now)


@pytest.fixture
def kiosk(tmp_path):
    made = []

    def make(name, **kwargs):
        made.append(Kiosk(tmp_path / f"{name}-{len(made)}", name, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.store.close()


def test_a_visit_and_its_end_are_known_at_the_other_kiosk(kiosk):
    """Arrived at one, left at the other, gone at both."""
    one, two = kiosk("k1"), kiosk("k2")
    made = one.arrive(100.0)
    one.exchange.tend(0.0, 100.0)
    assert [two.exchange.hear(payload) for payload in one.told] == [True]
    assert visits.get(two.store, made.id) == made
    (ticket,) = visits.tickets_of(two.store, made.id)
    visits.return_ticket(two.store, ticket.code, 200.0)
    two.exchange.tend(0.0, 200.0)
    for payload in two.told:
        one.exchange.hear(payload)
    assert visits.get(one.store, made.id).state == "left"
    for payload in one.told:  # an old message, late
        two.exchange.hear(payload)
    assert visits.get(two.store, made.id).state == "left"


def test_only_changes_are_told_and_everything_again_after_a_cut(kiosk):
    """Nothing new, nothing said; what could not be told is told when the broker is back."""
    one = kiosk("k1")
    one.arrive(100.0)
    one.exchange.tend(0.0, 100.0)
    one.exchange.tend(1.0, 101.0)
    assert len(one.told) == 1
    one.online = False
    one.arrive(102.0)
    one.exchange.tend(2.0, 102.0)
    one.online = True
    one.exchange.again()
    one.exchange.tend(3.0, 103.0)
    assert len(one.exchange.open(one.told[-1])["visits"]) == 2


def test_nobody_without_the_key_reads_or_writes(kiosk):
    """The name isn't in the message; another key, another site and noise are refused, and counted."""
    one, stranger, elsewhere = kiosk("k1"), kiosk("k2", secret="x" * 40), kiosk("k3", site="ailleurs")
    one.arrive(100.0)
    one.exchange.tend(0.0, 100.0)
    assert b"loi" not in one.told[0]
    for other in (stranger, elsewhere):
        assert not other.exchange.hear(one.told[0])
        assert visits.of_state(other.store, "arrived") == []
    for noise in (b"", b"x" * 11, b"x" * 200, one.told[0][:-1], json.dumps({"visits": []}).encode()):
        assert not one.exchange.hear(noise)
    assert one.exchange.refused == 5


def test_nonsense_under_the_right_key_changes_nothing(kiosk):
    """A kiosk gone wild harms no other."""
    one, two = kiosk("k1"), kiosk("k2")
    made = one.arrive(100.0)
    good = shared_visits.changed(one.store, 0.0)
    for part in (
        {}, {"visits": 1, "rolls": {}}, {"visits": [{"id": made.id}], "rolls": {"calls": [], "ticks": []}},
        {"visits": [{**good[0], "state": "flying"}], "rolls": {"calls": [], "ticks": []}},
        {"visits": [{**good[0], "people": None}], "rolls": {"calls": [], "ticks": []}},
        {"visits": [], "rolls": {"calls": [{}], "ticks": []}},
    ):  # fmt: skip
        assert not two.exchange.hear(one.exchange.seal(part)), part
    nonce = os.urandom(12)
    cipher = one.exchange._cipher
    assert not two.exchange.hear(nonce + cipher.encrypt(nonce, zlib.compress(b"[" * 100_000), b"parc"))
    assert visits.of_state(two.store, *visits.STATES) == []


def test_large_groups_are_told_in_parts(kiosk):
    """No message grows beyond what is taken in."""
    one, two = kiosk("k1"), kiosk("k2")
    for number in range(30):
        one.arrive(100.0 + number, tickets=40)
    one.exchange.tend(0.0, 200.0)
    assert len(one.told) > 1
    assert max(map(len, one.told)) < 64 * 1024
    for payload in one.told:
        assert two.exchange.hear(payload)
    assert two.store.execute("SELECT count(*) FROM visit_tickets").fetchone()[0] == 1200


def test_a_roll_call_is_one_for_the_whole_site(kiosk):
    """Started at one, ticked at both, and both know."""
    one, two = kiosk("k1"), kiosk("k2")
    first, second = one.arrive(100.0), two.arrive(101.0)
    key = roll_calls.start(one.store, 110.0)

    def talk(running):
        for here, there in ((one, two), (two, one)):
            here.told.clear()
            here.exchange.again()
            here.exchange.tend(running, 120.0)
            assert all(there.exchange.hear(payload) for payload in here.told)

    talk(0.0)
    assert roll_calls.start(two.store, 111.0) == key
    for kiosk_, visit in ((two, first), (one, second)):
        assert roll_calls.tick(kiosk_.store, visits.tickets_of(kiosk_.store, visit.id)[0].code, 112.0)
    talk(100.0)
    for each in (one, two):
        assert [entry.found for entry in roll_calls.inside(each.store)["ardoise"]] == [True, True]
    assert not roll_calls.tick(one.store, "NOTACODE", 113.0)
    roll_calls.end(two.store, 120.0)
    talk(200.0)
    assert roll_calls.running(one.store) is None


def test_a_tick_taken_back_stays_taken_back(kiosk):
    """By mistake ticked, then looked for again: no kiosk that heard of the tick puts it there again, in any order."""
    one, two = kiosk("k1"), kiosk("k2")
    code = visits.tickets_of(one.store, one.arrive(100.0).id)[0].code
    key = roll_calls.start(one.store, 110.0)
    told = {"visits": shared_visits.changed(one.store, 0.0), "rolls": shared_visits.roll_call(one.store, 0.0)}
    shared_visits.join(two.store, told["visits"], told["rolls"])

    def found(kiosk_):
        return [entry.found for entry in roll_calls.inside(kiosk_.store)["ardoise"]]

    roll_calls.tick(one.store, code, 130.0)  # its clock is ahead
    ticked = shared_visits.roll_call(one.store, 0.0)
    shared_visits.join(two.store, [], ticked)
    roll_calls.tick(two.store, code, 120.0, found=False)
    back = shared_visits.roll_call(two.store, 0.0)
    assert (back["ticks"], len(back["unticks"])) == ([], 1)
    for each in (one, two):
        for rolls in (back, ticked, back, ticked):
            shared_visits.join(each.store, [], rolls)
        assert found(each) == [False]
    roll_calls.tick(one.store, code, 121.0)
    shared_visits.join(two.store, [], shared_visits.roll_call(one.store, 0.0))
    assert found(one) == found(two) == [True]
    same = {"calls": [], "ticks": [], "unticks": [{"roll_call": key, "ticket": code, "at": 999.0}]}
    both = {**same, "ticks": same["unticks"]}
    shared_visits.join(one.store, [], both)
    assert found(one) == [False], "of two words at once, the one that has somebody looked for"


def test_a_tick_is_told_at_once(kiosk):
    """Whoever ticks at the assembly point is heard at the next turn, not at the next minute; nothing is told twice."""
    one, two = kiosk("k1"), kiosk("k2")
    code = visits.tickets_of(one.store, one.arrive(100.0).id)[0].code
    roll_calls.start(one.store, 110.0)
    one.exchange.tend(0.0, 111.0)
    one.told.clear()
    one.exchange.tend(2.0, 113.0)
    assert one.told == []
    roll_calls.tick(one.store, code, 114.0)
    one.exchange.tend(4.0, 115.0)
    assert len(one.told) == 1
    one.exchange.tend(6.0, 117.0)
    assert len(one.told) == 1
    assert two.exchange.hear(one.told[0])
