# SPDX-License-Identifier: EUPL-1.2
"""Visits: none lost, none doubled, each change told; who is asked next; what a night ends."""

from __future__ import annotations

import json

import pytest

from edge_core.store import database, escalation, outbox, print_jobs, visits
from edge_core.store.escalation import Patience, next_step
from edge_core.store.visits import Arrival, Ticket

ARRIVAL = Arrival(company="ardoise", host="atelier", name="Nœm Été", people=2, place="k1", language="fr", form="f1")
INVITED = "0191d2c2-1c20-7e13-9a22-6b7c8d9e0f1a"
TOLD = {
    "company": "ardoise", "host": None, "name": "Invitée", "people": 1, "code": "7K3QX9V2MD",
    "expected_from": 0.0, "expected_until": 1e6,
}  # fmt: skip


def tickets(*people):
    return [(Ticket(visits.new_code(), "", count, "", None), {"id": "t"}) for count in people]


def told(store):
    """Return the data of the events that wait, by the last word of their types."""
    bodies = [json.loads(body) for _seq, _class, body in outbox.read_after(store, 0, 100)]
    return [(body["type"].split(".")[3], body["data"]) for body in bodies]


def acknowledge(store):
    with database.write(store):
        outbox.acknowledge(store, outbox.last_seq(store))


def test_an_arrival_is_one_visit_with_its_event_tickets_and_papers(store):
    """And the same form sent again is the same visit."""
    made = visits.arrive(store, ARRIVAL, tickets(1, 1), 10.0)
    assert visits.arrive(store, ARRIVAL, tickets(1, 1), 11.0) == made
    assert (made.state, made.asked, made.name) == ("arrived", "host", "Nœm Été")
    assert [kind for kind, _ in told(store)] == ["arrived"]
    assert [each.people for each in visits.tickets_of(store, made.id)] == [1, 1]
    assert print_jobs.counts(store) == {"waiting": 2}


def test_a_store_without_room_records_nothing(store, monkeypatch):
    """Neither the visit nor its event nor a ticket."""
    monkeypatch.setattr("edge_core.store.budget.require_room.__defaults__", (1,))
    with pytest.raises(database.StoreError):
        visits.arrive(store, ARRIVAL, tickets(1), 10.0)
    assert told(store) == []
    assert print_jobs.counts(store) == {}


def test_a_visit_ends_with_its_last_ticket(store):
    """A group leaves one by one; a ticket that is scanned twice changes nothing."""
    made = visits.arrive(store, ARRIVAL, tickets(1, 1), 10.0)
    first, last = (each.code for each in visits.tickets_of(store, made.id))
    assert visits.return_ticket(store, first, 20.0).inside
    assert visits.return_ticket(store, f" {first[:4].lower()}-{first[4:]} ", 21.0).inside
    assert visits.return_ticket(store, last, 22.0).state == "left"
    assert visits.return_ticket(store, last, 23.0).left_at == 22.0
    assert visits.return_ticket(store, "NOTACODE", 24.0) is None
    assert [kind for kind, _ in told(store)] == ["arrived", "left"]


def test_an_announced_visit_arrives_once(store):
    """Two kiosks' scans, or one scan twice, are one arrival under the id that the platform gave."""
    with database.write(store):
        assert visits.announce(store, INVITED, TOLD, 1.0)
        assert visits.announce(store, INVITED, {**TOLD, "people": 3}, 2.0)
    assert visits.invited(store, "7k3qx-9v2md").people == 3
    one = Arrival(company="ardoise", host=None, name="Invitée", people=3, place="k1", language="fr")
    made = visits.arrive(store, one, tickets(3), 10.0, expected=INVITED)
    again = visits.arrive(store, one, tickets(3), 11.0, expected=INVITED)
    assert made == again
    assert made.id == INVITED
    assert [(kind, data["announced"]) for kind, data in told(store)] == [("arrived", True)]
    with database.write(store):
        assert not visits.announce(store, INVITED, TOLD, 12.0)


def test_the_host_answers(store):
    """On the way is as good as here; somebody who can't come sends the desk."""
    made = visits.arrive(store, ARRIVAL, tickets(2), 10.0)
    with database.write(store):
        assert visits.answer(store, made.id, "seen", 11.0)
        assert visits.get(store, made.id).state == "arrived"
        assert visits.answer(store, made.id, "refused", 12.0)
        assert (visits.get(store, made.id).asked, visits.get(store, made.id).why) == ("desk", "refused")
        assert visits.answer(store, made.id, "coming", 13.0)
        assert not visits.answer(store, INVITED, "seen", 13.0)
        assert not visits.answer(store, made.id, "dance", 13.0)
    assert visits.get(store, made.id).state == "here"


def test_who_does_not_answer_is_followed_by_the_next(store):
    """Host, the company's contact, the desk; each once, and told."""
    made = visits.arrive(store, ARRIVAL, tickets(2), 0.0)
    acknowledge(store)
    patience = Patience(host=60, company=60, platform=20)
    asked = []
    for now in range(0, 300, 10):
        escalation.turn(store, "k1", float(now), patience)
        asked.append(visits.get(store, made.id).asked)
    assert [whom for whom, before in zip(asked[1:], asked, strict=False) if whom != before] == ["company", "desk"]
    assert told(store) == [
        ("asked", {"visit": made.id, "asked": "company", "reason": "silence"}),
        ("asked", {"visit": made.id, "asked": "desk", "reason": "silence"}),
    ]


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        (False, 19.0, None),
        (False, 20.0, ("desk", "unreachable")),
        (True, 20.0, None),
        (True, 119.0, None),
        (True, 120.0, ("company", "silence")),
    ],
)
def test_an_unreachable_platform_sends_the_desk_at_once(store, known, now, expected):
    """Nobody waits two minutes for a message that never left."""
    made = visits.arrive(store, ARRIVAL, tickets(2), 0.0)
    assert next_step(made, told=known, now=now, patience=Patience()) == expected


def test_another_kiosks_visit_is_not_asked_for_here(store):
    """Each device asks for its own visitors only, or the host would be called by all of them."""
    visits.arrive(store, ARRIVAL, tickets(2), 0.0)
    assert escalation.turn(store, "k2", 1000.0, Patience()) == 0


def test_a_night_ends_what_nobody_ended(store):
    """With a note; who came after midnight stays."""
    old = visits.arrive(store, ARRIVAL, tickets(2), 10.0)
    new = visits.arrive(store, Arrival(**{**vars(ARRIVAL), "form": "f2"}), tickets(1), 100.0)
    assert escalation.close_night(store, "k1", 50.0, 110.0) == 1
    assert (visits.get(store, old.id).how, visits.get(store, new.id).state) == ("night", "arrived")
