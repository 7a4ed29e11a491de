# SPDX-License-Identifier: EUPL-1.2
"""What a device believes of its neighbours: a private address and a port, for a while."""

import json

import pytest

from sync.neighbours import Neighbours, offer, offered


def test_an_offer_is_understood():
    """What one device says, another hears; the settings' own come first, and silence is forgotten."""
    neighbours = Neighbours(("http://10.0.0.9:1",))
    assert neighbours.hear("kiosk-1", offer("10.77.0.1", 8083), 100.0)
    assert neighbours.hear("kiosk-2", offer("fd00::1", 8083), 101.0)
    assert neighbours.urls(102.0) == ("http://10.0.0.9:1", "http://[fd00::1]:8083", "http://10.77.0.1:8083")
    assert neighbours.urls(2000.0) == ("http://10.0.0.9:1",)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"{}", b'{"url":1}', b'{"url":"file:///etc/passwd"}', b'{"url":"http://10.0.0.1"}',
        b'{"url":"http://example.net:80"}', b'{"url":"http://8.8.8.8:80"}', b'{"url":"http://10.0.0.1:80/x"}',
        b'{"url":"http://u:p@10.0.0.1:80"}', b'{"url":"http://10.0.0.1:99999"}', b'{"url":"http://0.0.0.0:80"}',
    ],
)  # fmt: skip
def test_strange_offers_are_passed_over(payload):
    """No name, no public address, no path: a hint can't send a device anywhere else."""
    assert offered(payload) is None
    assert not Neighbours().hear("kiosk-1", payload, 1.0)


def test_a_crowd_of_offers_is_bounded():
    """A hundred devices that offer content are four to ask."""
    neighbours = Neighbours()
    for number in range(100):
        neighbours.hear(f"kiosk-{number}", json.dumps({"url": f"http://10.0.0.{number + 1}:80"}).encode(), 1.0)
    assert len(neighbours.urls(2.0)) == 4


def test_one_device_is_one_neighbour():
    """Whatever it offers, however often: the others are still heard, and its last word counts."""
    neighbours = Neighbours()
    for number in range(100):
        neighbours.hear("kiosk-1", offer(f"10.0.0.{number + 1}", 80), 1.0)
    neighbours.hear("kiosk-2", offer("10.0.1.1", 80), 2.0)
    assert neighbours.urls(3.0) == ("http://10.0.1.1:80", "http://10.0.0.100:80")
