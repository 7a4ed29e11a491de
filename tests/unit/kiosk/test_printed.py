# SPDX-License-Identifier: EUPL-1.2
"""What a visitor reads about their ticket on paper: as it is, and what to do where it doesn't come."""

import time
from contextlib import closing

import pytest

from edge_core import live_kiosks
from edge_core.store import database, print_jobs
from kiosk import printed


@pytest.mark.parametrize(
    ("states", "printer", "said"),
    [
        ((), None, ""),
        (("waiting",), None, ""),
        (("waiting",), "ready", printed.PRINTING),
        (("printing",), "printing", printed.PRINTING),
        (("printed", "waiting"), "paper", printed.PAPER),
        (("waiting",), "cover", printed.FAULT),
        (("waiting",), "denied", printed.FAULT),
        (("printed",), None, printed.PRINTED),
        (("printed", "shown"), "ready", printed.IN_DOUBT),
    ],
)
def test_each_state_has_its_words(states, printer, said):
    """Printed is what came out for all of a group, in doubt what may not have; without a printer nothing is said."""
    assert printed.words(states, printer) == said


def test_the_page_says_that_paper_is_out_and_then_that_it_is_printed(client, settings, monkeypatch):
    """A visitor doesn't wait for a ticket that can't come, and is told when it is there."""
    monkeypatch.setattr(live_kiosks, "own", lambda _: {"screen": "alive", "devices": {"printer": "paper"}})
    made = client.post("/fr/visit/societe-1/-", data={"name": "Visite Imprimée", "people": "1"})
    address = made.headers["Location"]
    page = client.get(address).text
    assert "L’imprimante n’a plus de papier" in page
    assert "Une photo avec votre téléphone" in page
    with closing(database.open_edge(settings.edge_db)) as edge:
        job = print_jobs.take(edge, time.time())
        print_jobs.done(edge, job.id, time.time())
    page = client.get(address).text
    assert "Il est imprimé" in page
    assert "photo" not in page
