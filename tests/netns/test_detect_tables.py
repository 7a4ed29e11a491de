# SPDX-License-Identifier: EUPL-1.2
"""Every system's own rule says portal before accepting, online after, and portal again after leaving."""

import pytest

from . import detectors
from .conftest import inside
from .detecting import NAME, press, raw

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def zone(whole_zone):
    return whole_zone


def seen(zone, guest):
    return {
        (detector.__name__, family): detector(detectors.Device(zone, guest, family))
        for detector in detectors.ALL
        for family in (4, 6)
    }


def test_portal_then_online_then_portal(zone):
    """Android, Apple, Windows, ChromeOS and Firefox, by probes and by the API, over IPv4 and over IPv6."""
    guest = zone.guest().join()
    assert set(seen(zone, guest).values()) == {"portal"}
    zone.accept(guest)
    online = seen(zone, guest)
    assert set(online.values()) == {"online"}, online
    press(zone, guest, "logout")
    assert set(seen(zone, guest).values()) == {"portal"}


def test_a_probe_pointed_at_the_portal_itself_is_led_to_its_page(zone):
    """A detector that resolves its host to the gateway, or asks the portal's name, is not told success."""
    guest = zone.guest().join()
    with inside(guest.name):
        for path in ("/generate_204", "/hotspot-detect.html", "/connecttest.txt"):
            answer = raw(zone.V4, 80, f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 302 ")
            assert f"Location: http://{NAME}/".encode() in answer


def test_without_the_internet_nobody_is_told_online(zone):
    """With the uplink's servers silent, a guest with a grant sees no answer, and never a portal's."""
    guest = zone.guest().join()
    zone.accept(guest)
    device = detectors.Device(zone, guest, 4)
    device.web = "192.0.2.200"
    assert detectors.windows(device) == "none"
    assert detectors.apple(device) == "none"
