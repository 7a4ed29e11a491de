# SPDX-License-Identifier: EUPL-1.2
"""Who is associated with our own access point: hostapd's control protocol, spoken by a stand-in on a real socket."""

import selectors
import socket

import pytest

from gateway_agent.stations import Stations
from lab.hostapd import Hostapd

ONE, TWO, THREE = (f"02:50:00:00:00:0{n}" for n in (1, 2, 3))


@pytest.fixture
def selector():
    with selectors.DefaultSelector() as found:
        yield found


@pytest.fixture
def hostapd(tmp_path):
    made = Hostapd(tmp_path / "wlan0", [ONE, TWO])
    yield made
    made.end()


def follow(selector, stations, condition):
    """Let events come in until the condition holds, for 20 s at most."""
    for _ in range(200):
        if condition():
            return
        for key, _ in selector.select(0.1):
            key.data()
    raise AssertionError(stations.counts())


def test_those_who_are_there_are_walked_over_and_events_follow(tmp_path, selector, hostapd):
    """First everybody who is associated, then who comes and goes, at once."""
    stations = Stations(tmp_path, ["wlan0"], selector)
    stations.tend(0.0)
    follow(selector, stations, lambda: stations.present() == {ONE, TWO})
    hostapd.tell(f"<3>AP-STA-CONNECTED {THREE}")
    follow(selector, stations, lambda: THREE in stations.present())
    hostapd.tell(f"<3>AP-STA-DISCONNECTED {ONE}")
    follow(selector, stations, lambda: stations.counts() == {"wlan0": 2})
    assert stations.take_left() == {ONE}
    assert stations.take_left() == set()
    assert hostapd.asked == ["ATTACH", "STA-FIRST", f"STA-NEXT {ONE}", f"STA-NEXT {TWO}"]
    stations.close()


def test_what_an_event_did_not_tell_the_next_walk_finds(tmp_path, selector, hostapd):
    """A lost event costs half a minute: the walk is repeated, and whoever is missing from it has left."""
    stations = Stations(tmp_path, ["wlan0"], selector)
    stations.tend(0.0)
    follow(selector, stations, lambda: stations.present() == {ONE, TWO})
    hostapd.stations = [TWO, THREE]
    stations.tend(31.0)
    follow(selector, stations, lambda: stations.present() == {TWO, THREE})
    assert stations.take_left() == {ONE}
    stations.close()


@pytest.mark.parametrize(
    "said",
    [
        "<3>AP-STA-CONNECTED 02:50:00:00:00",
        "<3>AP-STA-CONNECTED \udcff\udcfe",
        "AP-STA-CONNECTED 02:50:00:00:00:09",
        "<3>CTRL-EVENT-TERMINATING ",
        "",
    ],
)
def test_what_makes_no_sense_changes_nothing(tmp_path, selector, hostapd, said):
    """Events of other kinds, broken ones and nonsense are left out; the next good one counts."""
    stations = Stations(tmp_path, ["wlan0"], selector)
    stations.tend(0.0)
    follow(selector, stations, lambda: stations.present() == {ONE, TWO})
    hostapd.tell(said)
    hostapd.tell(f"<3>AP-STA-CONNECTED {THREE}")
    follow(selector, stations, lambda: THREE in stations.present())
    assert stations.present() == {ONE, TWO, THREE}
    stations.close()


def test_a_hostapd_that_ends_and_starts_again_is_found(tmp_path, selector):
    """Without hostapd nobody is there, which is no error; a new one is attached to again, and told from the left."""
    stations, path = Stations(tmp_path, ["wlan0"], selector), tmp_path / "wlan0"
    stations.tend(0.0)
    assert stations.present() == set()
    first = Hostapd(path, [ONE])
    stations.tend(4.0)
    follow(selector, stations, lambda: stations.present() == {ONE})
    first.end()
    path.unlink()
    stations.tend(35.0)
    assert stations.take_left() == {ONE}
    second = Hostapd(path, [TWO])
    stations.tend(39.0)
    follow(selector, stations, lambda: stations.present() == {TWO})
    stations.close()
    second.end()


def test_a_hostapd_that_never_answers_is_asked_again(tmp_path, selector):
    """Silence for three seconds: it is begun anew, and holds nobody up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mute:
        mute.bind(str(tmp_path / "wlan0"))
        stations = Stations(tmp_path, ["wlan0"], selector)
        for moment in (0.0, 1.0, 3.1):
            stations.tend(moment)
        mute.settimeout(0)
        assert [mute.recv(64) for _ in range(4)] == [b"ATTACH", b"STA-FIRST"] * 2
        stations.close()
