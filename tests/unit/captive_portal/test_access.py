# SPDX-License-Identifier: EUPL-1.2
"""Accepting, being online, logging out: who may, and what is written."""

import json
import re
from urllib.parse import urlsplit

import pytest

from edge_core import control
from edge_core.store import grants

PHONE = "02:11:22:33:44:55"


@pytest.fixture
def nudges(monkeypatch):
    """Count the agent's nudges, each answered as `told` says."""
    seen = type("Seen", (), {"count": 0, "told": True})()

    def nudge(_path):
        seen.count += 1
        return seen.told

    monkeypatch.setattr(control, "nudge", nudge)
    return seen


def token_of(page):
    return re.search(r'name="token" value="([\w-]+)"', page.text).group(1)


def accept(client, **form):
    return client.post("/fr/accept", data={"token": token_of(client.get("/fr/")), **form})


def edge(app):
    with app.app_context():
        return app.extensions["parvis"].edge()


def test_accepting_grants_nudges_and_navigates(app, phone, nudges, clock):
    """One tap writes one grant for this device, has the kernel told, and leads to a whole new page by 302."""
    answer = accept(phone)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://wifi.parc.example/fr/connected"
    grant = grants.by_mac(edge(app), PHONE, clock.now)
    assert grant.expires_at == clock.now + 14400
    assert nudges.count == 1
    assert "Vous êtes en ligne" in phone.get("/fr/connected").text
    started = edge(app).execute("SELECT body FROM outbox WHERE class = 'usage'").fetchall()
    assert len(started) == 1


def test_a_form_sent_twice_is_one_session(app, phone, nudges, clock):
    """A double tap gives nothing twice."""
    accept(phone)
    assert accept_again(phone).status_code == 302
    assert len(grants.active(edge(app), clock.now)) == 1


def accept_again(phone):
    return phone.post("/fr/accept", data={"token": token_of(phone.get("/fr/status"))})


def test_a_form_of_another_device_site_or_none_grants_nothing(app, phone, visiting, nudges, clock):
    """Without this device's own token, or from another origin, nothing is granted."""
    other = token_of(visiting(app, address="10.77.16.21").get("/fr/"))
    own = token_of(phone.get("/fr/"))
    for data, headers in [
        ({}, {}),
        ({"token": "x" * 5000}, {}),
        ({"token": other}, {}),
        ({"token": own}, {"Origin": "http://evil.example"}),
        ({"token": own}, {"Origin": "http://wifi.parc.example.evil.example"}),
        ({"token": own}, {"Sec-Fetch-Site": "cross-site"}),
    ]:
        assert phone.post("/fr/accept", data=data, headers=headers).status_code == 403
    assert grants.active(edge(app), clock.now) == []
    assert phone.post("/fr/accept", data={"token": own}, headers={"Origin": "null"}).status_code == 302


def test_a_device_off_the_guests_network_may_read_but_not_connect(app, visiting, nudges, clock):
    """An unknown neighbour sees the pages and why there is no button; its form is refused."""
    stranger = visiting(app, address="192.0.2.7")
    page = stranger.get("/fr/").text
    assert "Cet appareil n’est pas sur le WiFi du parc" in page
    assert "/fr/accept" not in page
    assert stranger.post("/fr/accept", data={}).status_code == 403
    assert visiting(app, address="127.0.0.1").get("/fr/companies").status_code == 200
    assert grants.active(edge(app), clock.now) == []


def test_a_claimed_address_is_never_believed(app, visiting):
    """X-Forwarded-For and its kin make nobody another device."""
    stranger = visiting(app, address="192.0.2.7", x_forwarded_for="10.77.16.20", forwarded="for=10.77.16.20")
    assert stranger.post("/fr/accept", data={"token": "x"}).status_code == 403


def test_after_accepting_the_first_asked_page_comes_back(app, phone, visiting, nudges):
    """The success page leads on by itself to the page that was asked for; a forged one is ignored."""
    query = urlsplit(visiting(app, host="site.example").get("/page").headers["Location"]).query
    form = dict(pair.split("=", 1) for pair in query.split("&"))
    page = phone.get(f"/fr/?{query}")
    answer = phone.post("/fr/accept", data={"token": token_of(page), "to": "http://site.example/page", "s": form["s"]})
    success = phone.get(answer.headers["Location"])
    assert success.headers["Refresh"] == "0; url=http://site.example/page"
    forged = phone.get("/fr/connected?to=http://evil.example/&s=" + form["s"])
    assert "Refresh" not in forged.headers
    assert 'href="http://evil.example/"' not in forged.text


def test_an_absent_agent_makes_people_wait_not_fail(phone, nudges):
    """A lost nudge costs seconds: the page says so and looks again by itself."""
    nudges.told = False
    answer = accept(phone)
    waiting = phone.get(answer.headers["Location"])
    assert "Ouverture en cours" in waiting.text
    assert waiting.headers["Refresh"] == "3"
    nudges.told = True
    assert "Vous êtes en ligne" in phone.get(answer.headers["Location"]).text


def test_logging_out_ends_the_grant(app, phone, nudges, clock):
    """Leaving is immediate, needs the form's token, and the agent is told."""
    accept(phone)
    assert phone.post("/fr/logout", data={}).status_code == 403
    answer = phone.post("/fr/logout", data={"token": token_of(phone.get("/fr/status"))})
    assert answer.status_code == 302
    assert grants.active(edge(app), clock.now) == []
    assert nudges.count == 2
    assert "Se connecter" in phone.get("/fr/status").text


def test_status_tells_the_time_left_and_expiry_is_honest(phone, nudges, clock):
    """Time left runs down and ends; then the button is back."""
    accept(phone)
    clock.now += 3600
    page = phone.get("/fr/status").text
    assert "3\u00a0h" in page
    assert "jusqu’à 14:00" in page
    clock.now += 3 * 3600 + 1
    assert "Se déconnecter" not in phone.get("/fr/status").text
    assert 'action="/fr/accept"' in phone.get("/fr/").text


def test_rfc8908_answers_for_the_device_that_asks(app, phone, visiting, nudges, clock):
    """Captive until accepted; then the seconds that remain. Both address families of a device are one device."""
    first = phone.get("/api/captive")
    assert first.mimetype == "application/captive+json"
    assert first.headers["Cache-Control"] == "private, no-store"
    assert json.loads(first.data) == {
        "captive": True,
        "user-portal-url": "http://wifi.parc.example/",
        "venue-info-url": "http://wifi.parc.example/status",
    }
    accept(phone)
    clock.now += 400
    for address in ("10.77.16.20", "fd00:77::20", "::ffff:10.77.16.20"):
        state = visiting(app, address=address).get("/api/captive").get_json(force=True)
        assert state["captive"] is False
        assert state["seconds-remaining"] == 14000
        assert state["can-extend-session"] is True
    assert visiting(app, address="10.77.16.21").get("/api/captive").get_json(force=True)["captive"] is True
    assert len(first.data) < 4096


def test_without_enforcement_a_stand_in_device_can_connect(open_app, visiting):
    """The demonstration without a guests' network plays the same story."""
    visitor = visiting(open_app, address="127.0.0.1", host="127.0.0.1:8080")
    answer = accept(visitor)
    assert answer.headers["Location"] == "http://127.0.0.1:8080/fr/connected"
    assert "Vous êtes en ligne" in visitor.get("/fr/connected").text
    assert visitor.get("/fr/accept").status_code == 302


def test_without_a_store_pages_open_and_accepting_says_so(bare_app, visiting, nudges):
    """No content and no edge.db: every page still answers; the button explains itself."""
    visitor = visiting(bare_app)
    for path in ("", "news", "events", "companies", "plan", "transport", "services", "pages/terms", "status"):
        assert visitor.get(f"/fr/{path}").status_code == 200, path
    answer = accept(visitor)
    assert answer.status_code == 503
    assert "Pas disponible" in answer.text
