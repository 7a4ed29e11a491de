# SPDX-License-Identifier: EUPL-1.2
"""Parts of pages are made once for everybody, and never longer kept than they are true; a form is nobody else's."""

import re
from urllib.parse import urlsplit

import pytest
from markupsafe import escape

from captive_portal import shared_parts
from edge_core import control
from sync.downlink import content_db

_OTHER = "10.77.16.21"


@pytest.fixture
def made(monkeypatch):
    """How often each part was made."""
    counts = {}
    get = shared_parts._Parts.get

    def counting(parts, key, make):
        def counted():
            counts[key] = counts.get(key, 0) + 1
            return make()

        return get(parts, key, counted)

    monkeypatch.setattr(shared_parts._Parts, "get", counting)
    return counts


def test_two_guests_share_what_is_the_same_and_not_their_forms(made, app, visiting):
    """Today's news, tiles and links are made once in a language; each has the token of its own device."""
    pages = [visiting(app, address).get("/fr/").text for address in ("10.77.16.20", _OTHER)]
    tokens = [re.search(r'name="token" value="([^"]+)"', page)[1] for page in pages]
    assert tokens[0] != tokens[1]
    assert pages[0].replace(tokens[0], "") == pages[1].replace(tokens[1], "")
    assert {key: count for key, count in made.items() if count != 1} == {}
    assert {key[0] for key in made} == {"today", "tiles", "foot", "welcome/home.html"}


def test_each_language_has_its_own(phone):
    """Somebody who reads English is not shown the last guest's French."""
    assert "En ce moment au parc" in phone.get("/fr/").text
    english = phone.get("/en/").text
    assert "In the park" in english
    assert "En ce moment au parc" not in english
    assert 'href="/fr/news"' not in english


def test_new_content_is_on_the_next_page(phone, settings, clock):
    """No minute has to pass for what the park publishes."""
    assert "Douze vélos" in phone.get("/fr/").text
    changed = {"news": [{"id": "neige", "title": {"fr": "Il neige au parc"}, "published": "2030-01-01"}]}
    content_db.load(settings.content_db, changed, 8, clock.now + 1)
    page = phone.get("/fr/").text
    assert "Il neige au parc" in page
    assert "Douze vélos" not in page


def test_what_is_over_leaves_with_the_minute(phone, settings, clock):
    """An event of today is gone once it has ended, without new content."""
    event = {"id": "cafe", "title": {"fr": "Café éphémère"}, "start": "2030-05-21T09:00:00+02:00"}
    content_db.load(settings.content_db, {"events": [{**event, "end": "2030-05-21T10:30:00+02:00"}]}, 8, clock.now)
    assert "Café éphémère" in phone.get("/fr/").text
    clock.now += 31 * 60
    assert "Café éphémère" not in phone.get("/fr/").text


def test_what_somebody_asked_for_first_is_in_nobody_elses_page(made, app, visiting):
    """The page is made once for both; each has its own address to return to, escaped, in the form and in the links."""
    pages = []
    for address, asked in (("10.77.16.20", "a=1&b='2'"), (_OTHER, "z")):
        query = urlsplit(visiting(app, address, host="site.example").get(f"/page?{asked}").location).query
        page = visiting(app, address).get(f"/fr/?{query}").text
        assert f'name="to" value="{escape(f"http://site.example/page?{asked}")}"' in page
        assert f'href="/en/?{escape(query)}"' in page
        pages.append(page)
    assert "site.example/page?z" not in pages[0]
    assert "site.example/page?a" not in pages[1]
    assert [count for key, count in made.items() if key[0] == "welcome/home.html"] == [1]


def test_a_page_that_changes_by_itself_is_made_anew(phone, settings, clock):
    """The plan's closing hour comes nearer: the welcome page doesn't promise the time of a minute ago."""
    plan = {"id": "libre", "ways": ["click"], "duration": 7200}
    hours = {"hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "11:00"}]}
    content_db.load(settings.content_db, {"access": [plan | hours]}, 8, clock.now)
    before = re.search(r"Gratuit pendant (.*?),", phone.get("/fr/").text)[1]
    clock.now += 120
    assert re.search(r"Gratuit pendant (.*?),", phone.get("/fr/").text)[1] != before


def test_who_is_online_is_shown_another_page_at_the_same_moment(app, visiting, monkeypatch):
    """The form is for who isn't; the page that says so is shown to who is."""
    monkeypatch.setattr(control, "nudge", lambda _path: True)
    phone, other = visiting(app, "10.77.16.20"), visiting(app, _OTHER)
    token = re.search(r'name="token" value="([^"]+)"', phone.get("/fr/").text)[1]
    phone.post("/fr/accept", data={"token": token})
    assert "Vous êtes en ligne" in phone.get("/fr/").text
    assert 'action="/fr/accept"' in other.get("/fr/").text
