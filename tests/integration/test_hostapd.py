# SPDX-License-Identifier: EUPL-1.2
"""The configuration of an own access point, read by the real hostapd, which gets as far as the missing radio."""

import shutil
import subprocess

import pytest

from edge_core.errors import ConfigurationError
from edge_core.settings import load
from gateway_agent import hostapd

PROGRAM = shutil.which("hostapd", path="/usr/sbin:/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="hostapd is not installed")
SSID = "Parc d'été, accès «libre»"
TEXT = """
[site]
id = "parc"
name = "Parc"
[device]
id = "gateway-1"
state_dir = "{folder}"
[lan]
interface = "br0"
ipv4 = "10.77.0.1/20"
dhcp_range = "10.77.1.0-10.77.15.250"
[wan]
interface = "wan0"
dns = ["192.0.2.53"]
[portal]
hostname = "wifi.parc.example"
[access_point]
interface = "wlan0"
ssid = "Parc d'été, accès «libre»"
country = "FR"
"""


@pytest.fixture
def written(tmp_path):
    """Return a function that writes hostapd's file for more lines of [access_point] and gives settings and path."""

    def write(extra=""):
        path = tmp_path / "parvis.toml"
        path.write_text(TEXT.format(folder=tmp_path / "state") + extra, encoding="utf-8")
        settings = load(path, {})
        hostapd.write(settings)
        return settings, hostapd.path_of(settings)

    return write


@pytest.mark.parametrize("extra", ["", "owe = false", "channel = 36", "channel = 11\nowe = true"])
def test_hostapd_reads_the_file_and_misses_only_the_radio(written, extra):
    """No line of it is refused: what fails is the driver, for want of any radio."""
    _, path = written(extra)
    done = subprocess.run([PROGRAM, str(path)], capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert "errors found in configuration" not in said
    assert "Line " not in said
    assert "nl80211" in said
    assert done.returncode != 0


def test_a_mistake_beside_the_driver_is_found(written):
    """Reading with an unknown driver hides no other mistake."""
    _, path = written()
    text = path.read_text().replace("driver=nl80211", "driver=parvis-reads-only")
    path.write_text(text)
    assert hostapd.complaints(path) == []
    path.write_text(text.replace("wpa_key_mgmt=OWE", "wpa_key_mgmt=NONSENSE"))
    assert "NONSENSE" in hostapd.complaints(path)[0]


def test_a_file_that_hostapd_refuses_is_not_written(written, monkeypatch):
    """The one that was good stays, and the message says what hostapd said."""
    settings, path = written()
    good = path.read_text()
    monkeypatch.setattr(hostapd, "render", lambda _settings: good.replace("channel=6", "channel_width=nine"))
    with pytest.raises(ConfigurationError, match="channel_width"):
        hostapd.write(settings)
    assert path.read_text() == good


def test_guests_are_isolated_and_the_encrypted_network_is_hidden_beside_the_open_one(written):
    """Open network with client isolation; OWE with protected management frames, each naming the other; no secret."""
    open_one, _, owe = written()[1].read_text().partition("bss=wlan0-owe\n")
    for network in (open_one, owe):
        assert "ap_isolate=1" in network.splitlines()
        assert "bridge=br0" in network.splitlines()
    assert "wpa=0" in open_one.splitlines()
    assert "owe_transition_ifname=wlan0-owe" in open_one.splitlines()
    wanted = ["wpa=2", "wpa_key_mgmt=OWE", "ieee80211w=2", "ignore_broadcast_ssid=1", "owe_transition_ifname=wlan0"]
    assert set(wanted) <= set(owe.splitlines())
    assert f"ssid2={SSID.encode().hex()}" in open_one.splitlines()


def test_without_an_access_point_there_is_no_file(written, tmp_path):
    """Taking the section out takes the file away, and with it the unit's reason to start."""
    _, path = written()
    text = (tmp_path / "parvis.toml").read_text(encoding="utf-8").partition("[access_point]")[0]
    (tmp_path / "parvis.toml").write_text(text, encoding="utf-8")
    hostapd.write(load(tmp_path / "parvis.toml", {}))
    assert not path.exists()
