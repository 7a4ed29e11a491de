# SPDX-License-Identifier: EUPL-1.2
"""Tickets for the printer: each at most once on paper, none lost."""

from __future__ import annotations

from edge_core.store import database, print_jobs
from kiosk.ticket import Ticket, read

TICKET = Ticket(
    id="t1",
    language="fr",
    park="Parc",
    company="Exemple",
    day="lundi",
    code="K7PM-2Q4D",
    check_out="PARVIS:parc:T:K7PM2Q4D",
    route=("Tout droit",),
)


def ask(store, key="t1", now=0.0):
    with database.write(store):
        print_jobs.add(store, key, TICKET.as_json(), now)


def test_a_ticket_is_printed_once(store):
    """Asked for twice, taken twice: one paper."""
    ask(store)
    ask(store)
    job = print_jobs.take(store, 1.0)
    assert read(job.ticket) == TICKET
    assert print_jobs.take(store, 1.0) is None
    assert print_jobs.done(store, "t1", 2.0)
    assert not print_jobs.done(store, "t1", 2.0)
    ask(store)
    assert print_jobs.take(store, 3.0) is None
    assert print_jobs.counts(store) == {"printed": 1}


def test_without_paper_it_waits(store):
    """What surely did not come out is printed when the printer is back."""
    ask(store)
    print_jobs.take(store, 1.0)
    assert print_jobs.put_back(store, "t1", "paper", 2.0)
    assert print_jobs.get(store, "t1").reason == "paper"
    assert print_jobs.take(store, 3.0).id == "t1"


def test_in_doubt_it_is_not_printed_again(store):
    """The service died while it printed: nobody knows, so no second paper by itself; a person may ask for one."""
    ask(store)
    print_jobs.take(store, 1.0)
    assert print_jobs.interrupted(store, 2.0) == 1
    assert print_jobs.take(store, 3.0) is None
    for _press in range(2):
        with database.write(store):
            assert print_jobs.again(store, "t1", 4.0)
    assert print_jobs.take(store, 5.0).id == "t1/2"
    assert print_jobs.take(store, 5.0) is None


def test_what_waited_too_long_is_not_printed(store):
    """Paper back in the evening prints no tickets of the morning."""
    ask(store, "morning", 0.0)
    ask(store, "evening", 30_000.0)
    assert print_jobs.take(store, 30_001.0).id == "evening"
    assert print_jobs.get(store, "morning").state == print_jobs.SHOWN


def test_the_oldest_goes_first(store):
    """And each may be given up."""
    ask(store, "b", 2.0)
    ask(store, "a", 1.0)
    assert print_jobs.take(store, 3.0).id == "a"
    assert print_jobs.give_up(store, "b", "unwanted", 3.0)
    assert print_jobs.take(store, 3.0) is None
    with database.write(store):
        assert not print_jobs.again(store, "unknown", 4.0)
