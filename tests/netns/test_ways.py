# SPDX-License-Identifier: EUPL-1.2
"""The ways in against the real kernel: what a code, a sign-in, an extension and an erasure do to packets."""

import contextlib
import re
import sys
import time

import pytest

from captive_portal import seal
from edge_core import clock, control
from edge_core.store import database, grants, vouchers
from lab.ca import Authority

from .conftest import BODY, Zone, until

pytestmark = pytest.mark.netns
WEB = "http://192.0.2.1/"
ISSUER = "https://192.0.2.1:8090"


@pytest.fixture(scope="module")
def zone(namespaces_allowed, tmp_path_factory):
    """A zone with the product's own portal, and a provider in its Internet."""
    built = Zone(tmp_path_factory.mktemp("ways"))
    try:
        authority = Authority(built.folder / "ca")
        chain, key = authority.issue("192.0.2.1")
        ca = authority.certificate_file
        built.write_config(f'[sign_in]\nissuer = "{ISSUER}"\nclient_id = "portal"\nca = "{ca}"\n')
        database.migrate(built.settings)
        built.start_internet()
        built.setup()
        built.start_dnsmasq()
        words = ("gunicorn", "--config", "python:edge_core.web.server", "--bind", f"{built.V4}:8080")
        environment = ("env", f"PARVIS_CONFIG={built.config}")
        built.spawn("portal", built.gateway, *environment, sys.executable, "-m", *words, "captive_portal.wsgi:app")
        back = "http://portail.example.net/sign-in/back"
        provider = ("lab.provider", "--bind", "192.0.2.1", "--port", "8090", "--redirect", back)
        provider += ("--certificate", str(chain), "--key", str(key))
        built.spawn("provider", built.internet, sys.executable, "-m", *provider)
        built.start_agent()
        built.start_advertiser()
        yield built
    finally:
        built.tear_down()


class Phone:
    """A guest's browser: curl, asking the portal by its name."""

    def __init__(self, guest):
        self.guest = guest
        until(lambda: self.get("/fr/"), 60, "the portal")

    def curl(self, *words):
        name = ("--resolve", "portail.example.net:80:10.77.0.1")
        return self.guest.run("curl", "-si", "--max-time", "8", "--noproxy", "*", *name, *words, check=False).stdout

    def get(self, path):
        return self.curl(f"http://portail.example.net{path}")

    def post(self, path, form, **fields):
        """Send the form of the page `form` to `path`; return the whole answer."""
        fields["token"] = re.search(r'name="token" value="([\w-]+)"', self.get(form)).group(1)
        data = [word for name, value in fields.items() for word in ("-d", f"{name}={value}")]
        return self.curl(*data, f"http://portail.example.net{path}")

    @property
    def online(self):
        status, _, size = self.guest.get(WEB)
        return status == 200 and size == len(BODY)


@pytest.fixture
def phones(zone):
    devices = []

    def make():
        devices.append(zone.guest().join())
        return Phone(devices[-1])

    yield make
    for device in devices:
        device.leave()


def code(zone):
    key = seal.load(zone.settings.device.state_dir / "portal.key").derive("vouchers")
    with contextlib.closing(zone.store()) as store:
        (made,) = vouchers.make(
            store, key, batch="b", plan="voucher", seconds=600, limits=grants.Limits(None, 20_000, 10**9), devices=1,
            count=1, valid_until=clock.now() + 600, now=clock.now(),
        )  # fmt: skip
    return made


def test_a_code_opens_the_way_and_moves_with_its_owner(zone, phones):
    """Wrong: nothing passes. Right: it does. On another device: there it does, and on the first no more."""
    first, second = phones(), phones()
    made = code(zone)
    assert "422" in first.post("/fr/voucher", "/fr/voucher", code="AAAAA-AAAAA").splitlines()[0]
    assert not first.online
    assert "302" in first.post("/fr/voucher", "/fr/voucher", code=made).splitlines()[0]
    assert first.online
    assert not second.online
    assert "302" in second.post("/fr/voucher", "/fr/voucher", code=made).splitlines()[0]
    assert second.online
    assert not first.online
    told = until(lambda: zone.rows("SELECT end_reason, mac FROM grants WHERE end_reason = 'moved' AND mac = ''"))
    assert told == [("moved", "")]


def test_signing_in_opens_just_enough_before_and_all_after(zone, phones):
    """Before: captive. Meanwhile: the provider is reached, by a pre-grant. After: a session of the members' plan."""
    phone = phones()
    assert not phone.online
    leaving = phone.post("/fr/sign-in", "/fr/sign-in")
    address = re.search(r"Refresh: \d+; url=(\S+)", leaving).group(1)
    assert '"captive": true' in phone.get("/api/captive")  # or the sheet would close in the middle
    at_provider = phone.curl("-k", "-d", "sub=member-1", address)
    back = re.search(r"Location: http://portail\.example\.net(\S+)", at_provider).group(1)
    assert "302" in phone.get(back).splitlines()[0]
    assert phone.online
    assert '"captive": false' in phone.get("/api/captive")
    (plan,) = zone.rows("SELECT plan FROM grants WHERE mac = ? AND ended_at IS NULL", phone.guest.mac)
    assert plan == ("member",)


def test_one_tap_outlives_the_kernel_s_own_time(zone, phones):
    """The kernel holds a session's end by itself; extended by a tap, the session goes on past it."""
    phone = phones()
    phone.post("/fr/accept", "/fr/")
    assert phone.online
    with contextlib.closing(zone.store()) as store:
        store.execute("UPDATE grants SET expires_at = ? WHERE mac = ?", [clock.now() + 4, phone.guest.mac])
    assert control.nudge(zone.settings.agent_socket)
    assert "302" in phone.post("/fr/extend", "/fr/status").splitlines()[0]
    time.sleep(4.5)
    assert phone.online


def test_erasing_ends_the_session_and_the_gateway_forgets_the_device(zone, phones):
    """After one tap nothing passes, its end is told, and the database no longer knows the device."""
    phone = phones()
    phone.post("/fr/accept", "/fr/")
    assert phone.guest.mac in phone.get("/fr/my-data.json")
    assert phone.online
    assert "302" in phone.post("/fr/erase", "/fr/my-data").splitlines()[0]
    assert not phone.online
    until(lambda: zone.rows("SELECT count(*) FROM grants WHERE mac = ?", phone.guest.mac) == [(0,)])
    assert phone.guest.mac not in phone.get("/fr/my-data.json")
    ends = zone.rows("SELECT count(*) FROM outbox WHERE body LIKE '%session.ended%' AND body LIKE '%\"erased\"%'")
    assert ends == [(1,)]
