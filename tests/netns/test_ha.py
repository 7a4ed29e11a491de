# SPDX-License-Identifier: EUPL-1.2
"""Two gateways that stand in for each other: the active one is killed, cut off, made ill; nobody loses a session."""

import signal

import pytest

from edge_core import control
from edge_core.leases import parse

from .conftest import run, until
from .one_link import HaPair
from .two_gateways import Phone, online

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]
FAR_FROM_ITS_HASH = "10.77.3.99"


@pytest.fixture(scope="module")
def pair(namespaces_allowed, tmp_path_factory):
    built = HaPair(tmp_path_factory.mktemp("pair"))
    try:
        yield built.start()
    finally:
        built.tear_down()


@pytest.fixture
def phone(pair):
    """A guest with a session that both gateways know."""
    active = pair.settle()
    phone = Phone(pair.a.guest().join())
    assert "302" in phone.post("/fr/accept", "/fr/")
    until(lambda: online(phone.guest), 60, "the way through the active one")
    until(lambda: pair.knows(pair.other(active), phone.guest), 60, "that the other knows lease and session")
    yield phone
    phone.guest.leave()


def _advertiser(gateway):
    return control.ask(gateway.settings.advertiser_socket, {"op": "status"})


def test_the_one_that_stands_by_is_silent(pair, phone):
    """Leases and router advertisements come from the active one alone, and name what both share."""
    active = pair.settle()
    other = pair.other(active)
    given = [{lease.mac for lease in parse(each.settings.leases_file.read_text())} for each in (active, other)]
    assert (phone.guest.mac in given[0], phone.guest.mac in given[1]) == (True, False)
    routes = phone.guest.ip("-6", "route", "show", "default").stdout.splitlines()
    assert [route.split()[2] for route in routes] == ["fe80::200:5eff:fe00:24d"]
    # While the two settled, either may have been the active one for a moment, and have said so.
    before = [_advertiser(each) for each in (active, other)]
    assert (before[0]["active"], before[1]["active"]) == (True, False)
    newcomer = pair.a.guest().join()
    until(lambda: _advertiser(active)["advertisements"] > before[0]["advertisements"], 60, "an answer to who joined")
    assert _advertiser(other)["advertisements"] == before[1]["advertisements"]
    newcomer.leave()


def test_the_power_of_the_active_one_is_cut(pair, phone):
    """The session goes on at the other without a click, the lease too; who has no session is captive there."""
    active = pair.settle()
    other, guest = pair.other(active), phone.guest
    stranger = pair.a.guest()
    lease = ("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", str(pair.a.folder / "lease.sh"))
    stranger.run(*lease, "-r", FAR_FROM_ITS_HASH)
    assert stranger.address == FAR_FROM_ITS_HASH
    until(lambda: pair.offers(other, stranger.mac), 60, "that the other knows the lease")
    session = active.session_of(guest).session
    with guest.connect("192.0.2.1", 7777, 60) as stream:
        stream.sendall(b"before")
        assert stream.recv(64) == b"before"
        pair.cut_power(active)
        until(lambda: pair.active() is other, 60, "the other's taking over")
        until(lambda: online(guest), 60, "the way through the other")
        # What goes through NAT has another address now: the far end ends it at once, and nothing hangs.
        with pytest.raises(ConnectionResetError):
            stream.sendall(b"after")
            stream.recv(64)
    assert other.session_of(guest).session == session
    assert not online(stranger)
    stranger.run(*lease)
    assert stranger.address == FAR_FROM_ITS_HASH, "the other gives it what it had"
    assert guest.mac != stranger.mac
    stranger.leave()
    pair.give_power(active)
    assert pair.settle() is other, "who has the addresses keeps them"
    assert online(guest)


def test_keepalived_is_killed(pair, phone):
    """Started again, it takes the addresses back from its own kernel: one of the two has them, the guest is online."""
    active = pair.settle()
    killed = pair.program(active, "keepalived")
    run("kill", "-KILL", str(killed))
    until(lambda: pair.program(active, "keepalived") != killed, 60, "that it is started again")
    until(lambda: pair.active() and online(phone.guest), 60, "the way through the one that is active now")
    pair.settle()


def test_the_agent_of_the_active_one_hangs(pair, phone):
    """The other is fitter and takes over; the first, well again, stands by."""
    active = pair.settle()
    number = pair.program(active, "agent")
    run("kill", "-STOP", str(number))
    try:
        until(lambda: pair.active() is pair.other(active), 90, "the other's taking over")
        until(lambda: online(phone.guest), 60, "the way through the other")
    finally:
        run("kill", "-CONT", str(number))
    assert pair.settle() is pair.other(active)


def test_the_link_between_them_is_cut_and_both_live(pair, phone):
    """Both have the addresses, the session goes on at whichever; when they meet again, one of them has them."""
    session = pair.settle().session_of(phone.guest).session
    stranger = pair.a.guest().join()
    pair.cut()
    try:
        until(lambda: all(pair.has_address(each) for each in pair.both), 60, "that both have them")
        until(lambda: online(phone.guest), 60, "the way through either")
        assert not online(stranger)
        failed = [each.seen for each in pair.looked_at(pair.a) if each.state == "failed"]
        assert any("nobody would take over" in each for each in failed)
    finally:
        pair.mend()
    pair.settle()
    until(lambda: online(phone.guest), 60, "the way through the one that kept them")
    assert {each.session_of(phone.guest).session for each in pair.both} == {session}
    stranger.leave()


def test_the_technician_sees_which_is_which(pair, phone):
    """`parvis status` and `doctor` say who is active, and that the other is there; one that is stopped hands over."""
    active = pair.settle()
    other = pair.other(active)
    assert "has the guests' addresses" in active.command("status").stdout
    for each, words in ((active, "is the active one"), (other, "stands by")):
        about = pair.looked_at(each)
        assert {row.state for row in about} == {"ok"}, about
        assert words in about[1].seen
    active.kill("run", signal.SIGTERM)
    until(lambda: pair.active() is other, 60, "the other's taking over")
    assert "Rules, addresses" in active.command("gateway", "clear").stdout
    until(lambda: online(phone.guest), 60, "the way through the other")
