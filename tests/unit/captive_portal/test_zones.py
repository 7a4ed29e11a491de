# SPDX-License-Identifier: EUPL-1.2
"""The portal knows in which zone a device is: its plans are offered, and its session holds there alone."""

import contextlib

import pytest

from captive_portal import app as portal_app
from captive_portal import client
from edge_core import control, neighbour
from edge_core.settings import load
from edge_core.store import database, grants

from .conftest import HOST, PHONE, visitor

STAFF = """
[[zone]]
id = "staff"
interface = "lan1"
ipv4 = "10.78.0.1/24"
ipv6 = "fd78::1/64"
dhcp_range = "10.78.0.10-10.78.0.250"
plans = ["voucher"]
"""


@pytest.fixture
def two_zones(tmp_path, settings, neighbours, clock, monkeypatch):
    """A portal of two zones: the second one offers codes alone."""
    neighbours |= {"10.78.0.20": PHONE, "fd78::20": PHONE}
    monkeypatch.setattr(control, "nudge", lambda _path: True)
    path = tmp_path / "parvis.toml"
    path.write_text(path.read_text(encoding="utf-8") + STAFF, encoding="utf-8")
    settings.content_db.unlink()  # the built-in plans
    made = portal_app.create_app(load(path, {}), lambda: clock.now)
    yield made
    house = made.extensions["parvis"]
    house.replica.close()
    if getattr(house._local, "edge", None) is not None:
        house._local.edge.close()


def settings_of(app):
    return app.extensions["parvis"].settings


@pytest.mark.parametrize(
    ("address", "zone"),
    [("10.77.16.20", "main"), ("fd00:77::20", "main"), ("10.78.0.20", "staff"), ("fd78::20", "staff")],
)
def test_an_address_tells_the_zone(two_zones, address, zone):
    """Each zone's networks are its own, on both families; elsewhere there is no device."""
    assert client.identify(address, settings_of(two_zones)) == client.Client(
        client.identify(address, settings_of(two_zones)).address, PHONE, zone
    )
    assert client.identify("10.99.0.20", settings_of(two_zones)).mac is None


def test_a_link_local_address_of_two_zones_is_nobodys(two_zones, monkeypatch):
    """Who takes, in one zone, the link-local address of a device in another passes for nobody; alone it is known."""
    there = {("fe80::20", "lan0"): PHONE}
    monkeypatch.setattr(neighbour, "mac_of", lambda address, interface: there.get((str(address), interface)))
    assert client.identify("fe80::20", settings_of(two_zones)).mac == PHONE
    there["fe80::20", "lan1"] = "02:66:77:88:99:aa"
    assert client.identify("fe80::20", settings_of(two_zones)).mac is None


def test_a_zone_offers_its_own_plans(two_zones):
    """The one tap is on the page of the first zone, and not of the one whose plans leave it out."""
    assert 'action="/fr/accept"' in visitor(two_zones).get("/fr/").text
    assert 'action="/fr/accept"' not in visitor(two_zones, "10.78.0.20").get("/fr/").text
    page = visitor(two_zones).get("/fr/").text
    token = page.split('name="token" value="')[1].split('"')[0]
    assert visitor(two_zones, "10.78.0.20").post("/fr/accept", data={"token": token}).status_code == 403


def test_a_session_of_one_zone_is_none_in_another(two_zones, clock):
    """The page, and what systems are told (RFC 8908), know of a session only where it holds."""
    with contextlib.closing(database.open_edge(settings_of(two_zones).edge_db)) as store:
        made = grants.accept(store, PHONE, "free", 600, clock.now, zone="staff")
    assert made.zone == "staff"
    secure = {"host": HOST}
    assert visitor(two_zones, **secure).get("/api/captive").json["captive"] is True
    assert visitor(two_zones, "10.78.0.20", **secure).get("/api/captive").json["captive"] is False
    assert visitor(two_zones, "fd78::20", **secure).get("/api/captive").json["captive"] is False
