# SPDX-License-Identifier: EUPL-1.2
"""Asking for a service: recorded with its event before the page says so."""

import json
from contextlib import closing
from datetime import timedelta

import pytest

from edge_core.store import database, outbox, quotas, requests
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


SAID = {
    "fr": ("Confirmé", "Provisoire", "dès que possible"),
    "en": ("Confirmed", "Provisional", "as soon as possible"),
    "es": ("Confirmado", "Provisional", "en cuanto sea posible"),
    "oc": ("Confirmat", "Provisòri", "tanlèu com possible"),
}


@pytest.mark.parametrize("language", SAID)
def test_what_a_lease_holds_is_confirmed_and_the_rest_provisional(client, settings, now, language):
    """One room for one request on a day: the first is told that it is theirs, the second that it must be seen."""
    day = booking(now)["date"]
    lease = quotas.Lease(
        id="0191d2bf-2b30-7a41-8c22-7d8e9f0a1b2c", kind="room", subject="salle-galet", slot=f"{day}T10:00",
        each="request", units=1, until=now + 60,
    )  # fmt: skip
    with closing(database.open_edge(settings.edge_db)) as connection, database.write(connection):
        quotas.grant(connection, lease)
    pages = []
    for hour in ("10:00", "10:00"):
        place = client.post(f"/{language}/service/salle-galet", data=booking(now, time=hour)).headers["Location"]
        pages.append(client.get(place).text)
    confirmed, provisional, soon = SAID[language]
    assert f"<h1>{confirmed}</h1>" in pages[0]
    assert f"<h1>{provisional}</h1>" in pages[1]
    assert soon in pages[1]
    assert [event["type"][-2:] for event in events(settings)] == ["v2", "v1"]
    assert events(settings)[0]["data"]["units"] == 1


@pytest.mark.parametrize(("language", "said"), [("fr", "08:00"), ("oc", "8h00")])
def test_times_are_written_as_the_language_writes_them(client, language, said):
    """What is sent is the same in every language, what is read isn't."""
    page = client.get(f"/{language}/service/salle-galet").text
    assert f'value="08:00"><span>{said}</span>' in page


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
