# SPDX-License-Identifier: EUPL-1.2
"""The kiosk's use becomes counts of visits, pages and searches; a visit is nobody."""

import json
from contextlib import closing

import pytest

from edge_core import clock
from edge_core.store import database


@pytest.fixture
def hour(monkeypatch):
    """A clock of the kiosk that the test sets."""
    at = [1_905_148_800.0]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    return at


def told(settings):
    with closing(database.open_edge(settings.edge_db)) as store:
        rows = store.execute("SELECT body FROM outbox WHERE type LIKE 'eu.parvis.usage.%' ORDER BY seq").fetchall()
    return {body["type"].split(".")[3]: body["data"] for body in (json.loads(row[0]) for row in rows)}


def test_an_hour_of_visits_is_told_in_counts(app, settings, hour):
    """Twelve visits type a word letter by letter and open a company; one reads a page that nobody else does."""
    database.migrate(settings)
    client = app.test_client()
    client.get("/")
    company = app.extensions["parvis-kiosk"].content.list("companies", limit=1)[0]["id"]
    for _ in range(12):
        client.get("/fr/find")
        for letters in ("a", "ar", "arqzx"):
            client.get(f"/fr/find/answers?q={letters}")
        client.get(f"/fr/company/{company}")
        client.post("/fr/heartbeat")
        client.get("/leave")
    client.get("/fr/news")
    assert told(settings) == {}
    hour[0] += 3600
    client.get("/")
    data = told(settings)
    assert data["pages"]["pages"] == [{"collection": "companies", "id": company, "askers": 10}]
    assert (data["searches"]["asked"], data["searches"]["unanswered"]) == (10, 10)
    assert data["searches"]["words"] == [{"text": "arqzx", "askers": 10}]
    assert data["touches"]["visits"] == 15
    assert data["touches"]["place"] == settings.device.id
