# SPDX-License-Identifier: EUPL-1.2
"""As whom dnsmasq runs where its folder is private."""

from pathlib import Path

from edge_core import settings
from gateway_agent import dnsmasq

_CONFIG = """
[site]
id = "essai"
name = "Parc d'essai"
[device]
id = "passerelle"
state_dir = "{folder}"
[lan]
interface = "lan0"
ipv4 = "10.77.0.1/20"
dhcp_range = "10.77.0.10-10.77.3.250"
[wan]
interface = "wan0"
dns = ["192.0.2.1"]
[portal]
hostname = "portail.example.net"
"""


def _written(folder: Path) -> str:
    file = folder / "parvis.toml"
    file.write_text(_CONFIG.format(folder=folder / "state"))
    read = settings.load(file, {})
    return dnsmasq.write(read).read_text()


def test_in_a_private_folder_dnsmasq_stays_the_user_that_may_read_it(tmp_path):
    """A state folder below /root: told to read its options again, another user would find nothing (RFC 8910 gone)."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    assert "user=root" in _written(private).splitlines()


def test_a_folder_counts_as_closed_when_any_above_it_is(tmp_path):
    """It's the way there that matters, not the last step."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a").chmod(0o700)
    assert dnsmasq._closed_to_others(tmp_path / "a" / "b")
    assert not dnsmasq._closed_to_others(Path("/usr/share"))
