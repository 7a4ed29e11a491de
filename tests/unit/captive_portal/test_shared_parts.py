# SPDX-License-Identifier: EUPL-1.2
"""Parts of pages are made once for everybody, and never longer kept than they are true; a form is nobody else's."""

import re

import pytest

from captive_portal import shared_parts
from sync.downlink import content_db

_OTHER = "10.77.16.21"


@pytest.fixture
def made(monkeypatch):
    """How often each part was made."""
    counts = {}
    get = shared_parts._Parts.get

    def counting(parts, moment, key, make):
        def counted():
            counts[key] = counts.get(key, 0) + 1
            return make()

        return get(parts, moment, key, counted)

    monkeypatch.setattr(shared_parts._Parts, "get", counting)
    return counts


def test_two_guests_share_what_is_the_same_and_not_their_forms(made, app, visiting):
    """Today's news, tiles and links are made once in a language; each has the token of its own device."""
    pages = [visiting(app, address).get("/fr/").text for address in ("10.77.16.20", _OTHER)]
    tokens = [re.search(r'name="token" value="([^"]+)"', page)[1] for page in pages]
    assert tokens[0] != tokens[1]
    assert pages[0].replace(tokens[0], "") == pages[1].replace(tokens[1], "")
    assert {key: count for key, count in made.items() if count != 1} == {}
    assert {name for name, _ in made} == {"today", "tiles", "foot"}


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
