# SPDX-License-Identifier: EUPL-1.2
"""Two gateways that stand in for each other: the active one is killed, cut off, made ill; nobody loses a session."""

import pytest

from .conftest import until
from .one_link import HaPair
from .two_gateways import Phone, online

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pair(namespaces_allowed, tmp_path_factory):
    built = HaPair(tmp_path_factory.mktemp("pair"))
    try:
        yield built.start()
    finally:
        built.tear_down()


def test_the_power_of_the_active_one_is_cut(pair):
    """With traffic: a guest with a session is online at the other without a click; one without is captive there."""
    active = pair.active()
    other = pair.other(active)
    guest, stranger = Phone(active.guest().join()), Phone(active.guest().join())
    assert "302" in guest.post("/fr/accept", "/fr/")
    until(lambda: online(guest.guest), 60, "the way through the active one")
    until(lambda: pair.knows(other, guest.guest), 60, "that the other knows lease and session")
    pair.cut_power(active)
    until(lambda: pair.active() is other, 60, "the other's taking over")
    until(lambda: online(guest.guest), 60, "the way through the other")
    assert not online(stranger.guest)
    pair.give_power(active)
    pair.settle()
    assert pair.active() is other
    guest.guest.leave()
    stranger.guest.leave()
