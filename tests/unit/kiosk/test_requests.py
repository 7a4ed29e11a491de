# SPDX-License-Identifier: EUPL-1.2
"""Asking for a service: recorded with its event before the page says so."""

import json
from contextlib import closing
from datetime import timedelta

import pytest

from edge_core.store import database, outbox, requests
from edge_core.web import dates


def booking(now, **changed):
    return {"date": (dates.here(now).date() + timedelta(days=1)).isoformat(), "time": "10:00", "people": "4", **changed}


def events(settings):
    with closing(database.open_edge(settings.edge_db)) as connection:
        return [json.loads(body) for _seq, _class, body in outbox.read_after(connection, 0, 10)]


def test_a_request_is_recorded_with_its_event_and_shown(client, settings, now):
    """The page after the form shows the state; the event is in the outbox in the same transaction."""
    answer = client.post(
        "/es/service/salle-galet", data=booking(now, comment="café"), headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 303
    key = answer.headers["Location"].rsplit("/", 1)[1]
    with closing(database.open_edge(settings.edge_db)) as connection:
        made = requests.get(connection, key)
    assert (made.kind, made.subject, made.place, made.state) == ("room", "salle-galet", "kiosk-1", "recorded")
    assert made.data["comment"] == "café"
    assert [event["data"]["request"] for event in events(settings)] == [key]
    page = client.get(answer.headers["Location"])
    assert page.status_code == 200
    assert key[-6:].upper() in page.text
    assert "café" not in page.text  # what was typed isn't shown again


def test_the_answer_of_the_platform_is_shown(client, settings, now):
    """State, reason and reference follow the reply."""
    place = client.post("/fr/service/salle-galet", data=booking(now)).headers["Location"]
    with closing(database.open_edge(settings.edge_db)) as connection, database.write(connection):
        reply = {"state": "rejected", "reason": "Salle déjà prise", "reference": "R-17"}
        requests.apply_reply(connection, request=place.rsplit("/", 1)[1], now=now, **reply)
    page = client.get(place).text
    assert "Salle déjà prise" in page
    assert "R-17" in page


def test_a_form_with_mistakes_comes_back_with_what_was_written(client, settings, now):
    """Nothing is recorded, nothing has to be written twice, each mistake is named."""
    answer = client.post("/fr/service/salle-galet", data=booking(now, people="99", comment="à midi"))
    assert answer.status_code == 422
    assert 'aria-describedby="wrong-people"' in answer.text
    assert "à midi" in answer.text
    assert events(settings) == []


def test_a_form_from_another_site_is_refused(client, settings, now):
    """Only our own pages may ask."""
    origins = ("https://evil.example", "null", "http://[::1", "http://localhost.evil.example", "\xff")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, *({"Origin": origin} for origin in origins)):
        assert client.post("/fr/service/salle-galet", data=booking(now), headers=headers).status_code == 403
    assert events(settings) == []
    assert (
        client.post("/fr/service/salle-galet", data=booking(now), headers={"Origin": "http://localhost"}).status_code
        == 303
    )


def test_a_store_that_cannot_write_says_so_and_keeps_the_form(client, settings, now):
    """Nothing is promised that isn't kept."""
    settings.edge_db.write_bytes(b"not a database" * 100)
    answer = client.post("/fr/service/salle-galet", data=booking(now, comment="à midi"))
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text
    assert "à midi" in answer.text
    assert client.get("/fr/services").status_code == 200  # the rest goes on


def test_the_page_of_a_request_closes(client, now, monkeypatch):
    """A quarter of an hour later somebody else stands there."""
    place = client.post("/fr/service/salle-galet", data=booking(now)).headers["Location"]
    monkeypatch.setattr("edge_core.clock.now", lambda: now + 16 * 60)
    answer = client.get(place)
    assert answer.status_code == 410
    assert "Galet" not in answer.text


@pytest.mark.parametrize("path", ["/fr/service/nothing", "/fr/service/%00"])
def test_a_service_that_is_not_there_cannot_be_asked(client, path):
    """404, and nothing recorded."""
    assert client.post(path, data={}).status_code == 404
