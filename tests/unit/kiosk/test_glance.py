# SPDX-License-Identifier: EUPL-1.2
"""The park at a glance."""

import runpy
from pathlib import Path

import pytest

from edge_core import live
from edge_core.store.replica import Replica
from kiosk import glance
from sync.downlink import content_db

SAMPLE = runpy.run_path(str(Path(__file__).with_name("sample.py")))


@pytest.mark.parametrize(("around", "age", "shown"), [
    (15, 0, "Environ 15 appareils"), (None, 0, "inconnue"), (15, 3000, "inconnue"),
])  # fmt: skip
def test_the_first_screen_shows_how_busy_the_park_is(settings, client, now, around, age, shown):
    """What a gateway of the site told, on every kiosk; nothing that is stale passes for news."""
    word = {"at": now - age, "seconds": 300, "around": around}
    live.write(settings.run_dir, {"busy": {"gateway-1": word}})
    assert shown in client.get("/").text


def test_without_a_gateway_nobody_is_counted(client):
    """A kiosk alone says nothing rather than zero."""
    assert 'class="busy"' not in client.get("/").text


def test_a_visitor_calls_the_reception_and_sees_the_answer(settings, client, now):
    """One tap calls; the page says who is told, then that somebody comes; another takes it back."""
    assert "Appeler quelqu’un ici" in client.get("/fr/help").text
    assert client.post("/fr/help/call").status_code == 303
    assert "L’accueil est prévenu" in client.get("/fr/help").text
    live.answer(settings, settings.device.id, now + 60)
    assert "Quelqu’un de l’accueil arrive" in client.get("/fr/help").text
    client.post("/fr/help/cancel")
    assert "Appeler quelqu’un ici" in client.get("/fr/help").text
    assert client.post("/fr/help/other").status_code == 404


def test_todays_events_come_before_later_ones(settings, now):
    """Today's are shown alone; a day without any shows the next."""
    content = Replica(settings.content_db)
    found, today = glance.next_events(content, now, 5)
    assert ([event["id"] for event in found], today) == (["cafe"], True)
    found, today = glance.next_events(content, now + 86_400, 5)
    assert ([event["id"] for event in found], today) == (["atelier"], False)


def test_departures_of_all_stops_are_one_list(settings, now):
    """Soonest first."""
    found = glance.next_departures(Replica(settings.content_db), now, 3)
    assert [leaving.stop for leaving in found] == ["Parvis Exemple"] * 3
    assert [leaving.departure.at for leaving in found] == sorted(leaving.departure.at for leaving in found)


def test_the_weather_of_this_hour_with_its_age(client):
    """Degrees, sky, when it was foretold and by whom."""
    page = client.get("/").text
    for words in ("<strong>8 °C</strong>", "Quelques nuages", "Prévision faite", "Météo fictive"):
        assert words in page


def test_weather_is_never_stale_without_saying_so(settings, now):
    """A forecast of half a day ago says that it is old; one whose hours are over isn't shown, nor is an empty one."""
    content = Replica(settings.content_db)
    assert glance.weather(content, now).old is False
    assert glance.weather(content, now + 2 * 3600) is None
    made = SAMPLE["content"](now)
    made["weather"][0]["updated"] = SAMPLE["utc"](now, -13)
    content_db.load(settings.content_db, made, 2, now)
    assert glance.weather(Replica(settings.content_db), now).old is True
    content_db.load(settings.content_db, {**made, "weather": []}, 3, now)
    assert glance.weather(Replica(settings.content_db), now) is None
