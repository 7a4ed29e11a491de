# SPDX-License-Identifier: EUPL-1.2
"""A device that moves to another gateway of the site: it keeps its session, and what ends on one ends on both."""

import json

import pytest

from edge_core import clock

from .conftest import run, until
from .two_gateways import Pair, Phone, carry, hashed, online

pytestmark = [pytest.mark.netns, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def pair(namespaces_allowed, tmp_path_factory):
    built = Pair(tmp_path_factory.mktemp("pair"))
    try:
        yield built.start()
    finally:
        built.tear_down()


@pytest.fixture
def phone(pair):
    guest = pair.a.guest().join()
    yield Phone(guest)
    guest.leave()


def test_a_session_goes_along_is_counted_on_both_and_ends_on_both(pair, phone):
    """One click at A; at B, with a new lease, online without another; logging out there ends it at A too."""
    guest = phone.guest
    assert "302" in phone.post("/fr/accept", "/fr/")
    until(lambda: online(guest), 60, "the way through A")
    session = pair.a.session_of(guest).session
    until(lambda: pair.b.rows("SELECT 1 FROM site_sessions WHERE session = ?", session), 60, "the word at B")
    carry(guest, pair.b)
    until(lambda: online(guest), 60, "the way through B")
    here, there = pair.b.session_of(guest), pair.a.session_of(guest)
    assert here.session == there.session == session
    assert abs(here.expires_at - there.expires_at) < 5
    assert "302" in phone.post("/fr/logout", "/fr/status")
    assert not online(guest)
    until(lambda: pair.a.session_of(guest) is None, 60, "the end at A")
    ends = until(lambda: pair.a.ends(session) and pair.b.ends(session) and (pair.a.ends(session), pair.b.ends(session)))
    assert [[reason for reason, _ in each] for each in ends] == [["logout"], ["logout"]]
    assert all(10_000 < each[0][1] < 200_000 for each in ends), "each gateway tells what passed through it"
    carry(guest, pair.a)
    assert not online(guest)


def test_the_broker_and_the_other_gateway_learn_no_mac(pair, phone):
    """B knows of the session; nowhere in its files, nor at the broker, is the device's address."""
    guest = phone.guest
    phone.post("/fr/accept", "/fr/")
    until(lambda: pair.b.rows("SELECT 1 FROM site_sessions WHERE device = ?", hashed(guest)), 60, "the word at B")
    spellings = [guest.mac.encode(), bytes.fromhex(guest.mac.replace(":", "")), guest.mac.replace(":", "").encode()]
    files = [path for path in pair.b.folder.rglob("*") if path.is_file() and path.name != "gateway.toml"]
    files += [path for path in (pair.a.settings.device.state_dir / "mosquitto").rglob("*") if path.is_file()]
    assert [path.name for path in files if any(word in path.read_bytes() for word in spellings)] == []


def test_an_extension_and_an_end_by_hand_travel(pair, phone):
    """Prolonged at A, it lasts as long at B; ended there by the operator, it is over at A."""
    guest = phone.guest
    pair.a.grant(guest, 300)
    session = pair.a.session_of(guest).session
    until(lambda: pair.b.rows("SELECT 1 FROM site_sessions WHERE session = ?", session), 60, "the word at B")
    carry(guest, pair.b)
    until(lambda: pair.b.session_of(guest), 60, "the session at B")
    until_when = clock.now() + 4000
    with_store = pair.a.store()
    with_store.execute("UPDATE grants SET expires_at = ?, extended = 1 WHERE session = ?", [until_when, session])
    with_store.close()
    until(lambda: abs(pair.b.session_of(guest).expires_at - until_when) < 5, 60, "the longer time at B")
    pair.b.command("session", "end", guest.mac)
    until(lambda: pair.a.session_of(guest) is None, 60, "the end at A")


def test_a_block_holds_on_both_and_is_lifted_on_both(pair, phone):
    """Blocked at A, it is at B neither online nor at the portal; let in again at B, it is at A too."""
    guest = phone.guest
    pair.a.grant(guest)
    pair.a.command("block", "add", guest.mac)
    until(lambda: pair.b.rows("SELECT 1 FROM site_blocks WHERE device = ? AND blocked", hashed(guest)), 60, "the word")
    assert "And 1 by other gateways" in pair.b.command("block", "list").stdout
    run("ip", "-n", guest.zone.guests, "link", "set", "c" + str(int(guest.mac[-2:], 16)), "down", "nomaster")
    until(lambda: guest.mac in pair.a.nft("list", "set", "inet", "parvis", "blocked").stdout, 60, "the kernel's word")
    pair.b.command("block", "remove", guest.mac)
    until(lambda: guest.mac not in pair.a.nft("list", "set", "inet", "parvis", "blocked").stdout, 60, "its end")
    assert "Nobody" in pair.a.command("block", "list").stdout


def test_what_happens_while_they_are_apart_is_made_good(pair, phone):
    """Cut off: ended at A, the session goes on at B until the two meet again, and is over then."""
    guest = phone.guest
    phone.post("/fr/accept", "/fr/")
    session = pair.a.session_of(guest).session
    until(lambda: pair.b.rows("SELECT 1 FROM site_sessions WHERE session = ?", session), 60, "the word at B")
    carry(guest, pair.b)
    until(lambda: online(guest), 60, "the way through B")
    pair.cut()
    try:
        pair.a.command("session", "end", guest.mac)
        assert online(guest)
    finally:
        pair.mend()
    until(lambda: pair.b.session_of(guest) is None, 90, "the end at B")
    assert not online(guest)


def test_a_code_of_one_counts_on_the_other(pair):
    """Made at A, used at B; for one device: used at A by another, the first is off, with the time that was left."""
    first, second = Phone(pair.b.guest().join()), Phone(pair.a.guest().join())
    try:
        made = pair.a.code()
        until(lambda: pair.b.rows("SELECT 1 FROM site_vouchers"), 60, "the code at B")
        assert "302" in first.post("/fr/voucher", "/fr/voucher", code=made)
        until(lambda: online(first.guest), 60, "the way by the code")
        ends = pair.b.session_of(first.guest).expires_at
        until(lambda: pair.a.rows("SELECT 1 FROM site_vouchers WHERE used_at IS NOT NULL"), 60, "its first use at A")
        assert "302" in second.post("/fr/voucher", "/fr/voucher", code=made)
        until(lambda: online(second.guest), 60, "the way of the other device")
        assert abs(pair.a.session_of(second.guest).expires_at - ends) < 5
        until(lambda: pair.b.session_of(first.guest) is None, 60, "that the first made room")
        assert not online(first.guest)
    finally:
        first.guest.leave()
        second.guest.leave()


def test_a_device_with_a_new_mac_comes_back_by_its_code_at_the_other_gateway(pair):
    """A phone that draws a new MAC at each network: at B the portal doesn't know it; its code gives what was left."""
    phone = Phone(pair.a.guest().join())
    guest, before = phone.guest, phone.guest.mac
    try:
        made = pair.a.code()
        assert "302" in phone.post("/fr/voucher", "/fr/voucher", code=made)
        until(lambda: online(guest), 60, "the way by the code")
        ends = pair.a.session_of(guest).expires_at
        known = "SELECT 1 FROM site_vouchers WHERE used_at IS NOT NULL AND revoked_at IS NULL"
        until(lambda: len(pair.b.rows(known)) == len(pair.a.rows("SELECT 1 FROM vouchers WHERE used_at > 0")), 60)
        carry(guest, pair.b, new_mac="02:99:00:00:00:01")
        assert not online(guest)
        assert "302" in phone.post("/fr/voucher", "/fr/voucher", code=made)
        until(lambda: online(guest), 60, "the way with the new MAC")
        assert abs(pair.b.session_of(guest).expires_at - ends) < 5
        old = "SELECT end_reason FROM grants WHERE mac = ? AND ended_at IS NULL"
        until(lambda: pair.a.rows(old, before) == [], 60, "the end of the session with the old MAC")
    finally:
        guest.leave()


def test_the_technician_sees_who_is_heard(pair):
    """`parvis status` and `parvis doctor` name the other gateway."""
    assert "Gateway passerelle-b" in pair.a.command("status").stdout
    told = pair.b.command("doctor", "--json", check=False).stdout
    assert [each["state"] for each in json.loads(told) if each["check"] == "gateways"] == ["ok"]
