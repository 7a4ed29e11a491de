# SPDX-License-Identifier: EUPL-1.2
"""Settings: parsed once, checked, and refused with the file, the key and the remedy."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from edge_core import settings as module
from edge_core.errors import ConfigurationError
from edge_core.settings import SECTIONS, load, require_gateway
from edge_core.settings_sections import Zone

GOOD = """
[site]
id = "parc"
name = "Le parc"
[device]
id = "gateway-1"
state_dir = "{state}"
[lan]
interface = "lan0"
ipv4 = "10.77.0.1/20"
ipv6 = "fd77:0:0:1::1/64"
dhcp_range = "10.77.1.0-10.77.15.250"
[wan]
interface = "wan0"
dns = ["192.0.2.53"]
[portal]
hostname = "portal.example.net"
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a configuration and gives its path."""

    def _write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text.replace("{state}", str(tmp_path / "state")), encoding="utf-8")
        return path

    return _write


def test_the_five_sections_are_enough_for_a_gateway(write):
    """[site], [device], [lan], [wan] and [portal] hostname suffice; the rest has defaults."""
    settings = load(write(GOOD), {})
    require_gateway(settings)
    assert str(settings.lan.ipv4) == "10.77.0.1/20"
    assert [str(a) for a in settings.lan.dhcp_range] == ["10.77.1.0", "10.77.15.250"]
    assert settings.mqtt.url == ""
    assert settings.topic_root == "parvis/1/parc/gateway-1"
    assert settings.agent_socket == settings.device.state_dir / "run" / "agent.sock"


def test_the_environment_wins(write):
    """PARVIS_PORTAL_PORT overrides [portal] port."""
    assert load(write(GOOD), {"PARVIS_PORTAL_PORT": "9999"}).portal.port == 9999


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "parc"', 'id = "Le Parc"', ["[site] id", "'Le Parc'", "a-z"]),
        ('id = "parc"', "", ["[site] id", "missing"]),
        ('"10.77.0.1/20"', '"10.77.0.1"', ["[lan] ipv4", "prefix", "10.77.0.1/20"]),
        ('"10.77.0.1/20"', '"10.77.0.0/20"', ["[lan] ipv4"]),
        ("10.77.1.0-10.77.15.250", "10.99.1.0-10.99.1.9", ["[lan] dhcp_range", "outside"]),
        ("10.77.1.0-10.77.15.250", "10.77.0.0-10.77.1.9", ["[lan] dhcp_range", "own"]),
        ("10.77.1.0-10.77.15.250", "10.77.2.0-10.77.1.0", ["[lan] dhcp_range", "lower"]),
        ("/64", "/48", ["[lan] ipv6", "/64"]),
        ('interface = "wan0"', 'interface = "lan0"', ["[lan] interface", "uplink"]),
        ('["192.0.2.53"]', '["dns.example.net"]', ["[wan] dns", "IP addresses"]),
        ("[portal]", "[portal]\ncolour = 3", ["[portal] colour", "hostname"]),
        ("[portal]", "[portl]", ["[portl]", "portal"]),
        ("[portal]", "[portal]\nport = true", ["[portal] port", "65535"]),
        ("[portal]", '[portal]\ntls_certificate = "/x.pem"', ["[portal] tls_key", "go together"]),
        ("[portal]", '[mqtt]\nurl = "mqtt://u:p@h"\n[portal]', ["[mqtt] url", "certificate"]),
        ("[portal]", '[sign_in]\nissuer = "http://id.example.net"\n[portal]', ["[sign_in] issuer", "https://"]),
        ("[portal]", '[sign_in]\nissuer = "https://id.example.net"\n[portal]', ["[sign_in] client_id", "together"]),
        ("[portal]", '[mail]\nserver = "mail.example.net"\n[portal]', ["[mail] server", "smtp://"]),
        ("[portal]", '[mail]\nserver = "smtp://mail.example.net"\n[portal]', ["[mail] sender", "together"]),
        ("[portal]", '[mail]\nsender = "a@b.example\\nBcc: c"\n[portal]', ["[mail] sender", "wifi@parc.example"]),
        ("[portal]", "[access]\nidle = -5\n[portal]", ["[access] idle", "never"]),
        ("[portal]", "[portal", ["TOML", "line"]),
    ],
)
def test_bad_values_are_refused_with_file_key_and_remedy(write, old, new, words):
    """Each refusal names the file, the key and what would be right."""
    path = write(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as refusal:
        load(path, {})
    assert str(path) in str(refusal.value)
    assert refusal.value.remedy
    for word in words:
        assert word in str(refusal.value)


ZONE = """
[[zone]]
id = "staff"
interface = "lan1"
ipv4 = "10.78.0.1/24"
ipv6 = "fd78::1/64"
dhcp_range = "10.78.0.10-10.78.0.250"
plans = ["badge"]
isolation = false
"""


def test_further_zones_stand_beside_the_first(write):
    """[lan] is the zone "main", as in a file without any [[zone]]; isolation is each zone's own or the common one."""
    alone = load(write(GOOD), {}).zones
    both = load(write(GOOD + ZONE), {}).zones
    assert [zone.id for zone in alone] == ["main"]
    assert both[0] == alone[0]
    assert both[0].isolation is True
    assert (both[1].id, both[1].plans, both[1].isolation) == ("staff", ("badge",), False)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "staff"', "", ["[zone 2] id", "missing"]),
        ('id = "staff"', 'id = "main"', ["id", "'main'", "own"]),
        ('interface = "lan1"', "", ["[zone staff] interface", "missing"]),
        ('interface = "lan1"', 'interface = "lan0"', ["[zone staff] interface", "'main'"]),
        ('interface = "lan1"', 'interface = "wan0"', ["[zone staff] interface", "uplink"]),
        ('ipv6 = "fd78::1/64"', 'ipv6 = "fd77:0:0:1::9/64"', ["[zone staff] ipv6", "overlaps", "fd77:0:0:1::/64"]),
        ("10.78.0.10-", "10.77.0.10-", ["[zone staff] dhcp_range", "outside"]),
        ('interface = "lan1"', 'interface = "lan1"\nvlan = 20', ["[zone staff] vlan", "eth1.20"]),
        ('interface = "lan1"', 'interface = "lan1"\nvlan = 5000', ["[zone staff] vlan", "4094"]),
        ('plans = ["badge"]', 'plans = ["Le badge"]', ["[zone staff] plans", "short names"]),
        ("isolation = false", "isolated = false", ["[zone staff] isolated", "isolation"]),
        ("[[zone]]", "[zone]", ["[[zone]]", "two brackets"]),
    ],
)
def test_zones_that_collide_are_refused_with_their_key_and_remedy(write, old, new, words):
    """What two zones can't share, and what a zone lacks, is told with the zone's name."""
    with pytest.raises(ConfigurationError) as refusal:
        load(write(GOOD + ZONE.replace(old, new)), {})
    for word in words:
        assert word in str(refusal.value)


def test_a_bad_environment_is_named_as_such(write):
    """A value from the environment is not blamed on the file."""
    with pytest.raises(ConfigurationError, match="PARVIS_KIOSK_PORT"):
        load(write(GOOD), {"PARVIS_KIOSK_PORT": "0"})


def test_a_missing_file_is_named(tmp_path):
    """The path is in the message."""
    with pytest.raises(ConfigurationError, match="no such file"):
        load(tmp_path / "none.toml", {})


def test_a_gateway_without_its_network_is_refused(write):
    """What only a gateway needs is asked of a gateway only."""
    settings = load(write(GOOD.replace('interface = "wan0"', "")), {})
    with pytest.raises(ConfigurationError, match=r"\[wan\] interface"):
        require_gateway(settings)


def test_every_setting_is_documented():
    """docs/settings.md has a row for each setting, with its default and its help."""
    text = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    missing = []
    for name, kind in [*SECTIONS.items(), ("[zone]", Zone)]:
        for row in fields(kind):
            default = "required" if row.default is module.MISSING else repr(row.default or "").strip("'\"")
            if f"| `[{name}] {row.name}` | {default} | {row.metadata['help']} |" not in text:
                missing.append(f"| `[{name}] {row.name}` | {default} | {row.metadata['help']} |")
    assert not missing


def test_a_misspelt_variable_is_no_setting_that_is_lost_in_silence(write):
    """PARVIS_PORTAL_PROT names itself; what is no section's (PARVIS_LOG, PARVIS_CONFIG) is left alone."""
    with pytest.raises(ConfigurationError, match=r"PARVIS_PORTAL_PROT.*not a setting"):
        load(write(GOOD), {"PARVIS_PORTAL_PROT": "80"})
    assert load(write(GOOD), {"PARVIS_LOG": "DEBUG", "PARVIS_CONFIG": "x"}).portal.port == 8080
