# SPDX-License-Identifier: EUPL-1.2
"""The way that goes with a visitor's phone: in the address's fragment, which nobody is sent."""

import dataclasses
from urllib.parse import urlsplit

import pytest

from edge_core.store.ways import Leg
from kiosk import plan
from kiosk.app import create_app


@pytest.fixture
def known(settings):
    """A kiosk that knows the portal of its site."""
    portal = dataclasses.replace(settings.portal, hostname="wifi.exemple.example")
    return create_app(dataclasses.replace(settings, portal=portal))


def test_the_destination_is_in_the_fragment_alone(known):
    """What the portal is asked is the same for everybody; the way is behind the number sign."""
    with known.test_request_context("/fr/"):
        known.preprocess_request()
        address = urlsplit(plan.on_phone("rez", "bureau-1"))
    assert (address.netloc, address.path, address.query) == ("wifi.exemple.example", "/fr/way", "")
    assert address.fragment == "rez:borne:bureau-1::220,240,100,80"
    assert "Le chemin sur votre téléphone" in known.test_client().get("/fr/plan/rez?place=bureau-1").text


def test_what_has_no_way_has_a_place(known):
    """Without a way the phone is told the place; without a place there is nothing to take along."""
    with known.test_request_context("/fr/"):
        known.preprocess_request()
        assert plan.on_phone("rez", "accueil").endswith("#rez:accueil:accueil::")
        assert plan.on_phone("rez", "none") == plan.on_phone("none", "bureau-1") == plan.on_phone(None, None) == ""


def test_an_address_stays_short_enough_to_scan(known, monkeypatch):
    """A way of many corners is told by its floors, without its line."""
    corners = tuple((float(n), 1234.4) for n in range(1000, 1060))
    legs = [Leg("rez", corners, "borne", "lift-0", "lift"), Leg("etage", corners, "lift-1", "bureau-1", "")]
    monkeypatch.setattr(plan, "_legs", lambda _: legs)
    with known.test_request_context("/fr/"):
        known.preprocess_request()
        assert plan.on_phone("rez", "bureau-1").endswith("/fr/way#rez:borne:lift-0:lift:;etage:lift-1:bureau-1::")
    assert plan.fragment([Leg("a b", ((1.6, 2.4),), "c:d", "e;f", "")]) == "a%20b:c%3Ad:e%3Bf::2,2"
