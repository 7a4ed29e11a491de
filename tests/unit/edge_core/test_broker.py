# SPDX-License-Identifier: EUPL-1.2
"""The site's broker: what its configuration says, and what is refused."""

import sys

import pytest

from edge_core import broker, settings
from edge_core.errors import ConfigurationError


def load(tmp_path, more=""):
    file = tmp_path / "parvis.toml"
    file.write_text(
        f'[site]\nid = "parc"\nname = "Le parc"\n[device]\nid = "gateway-1"\nstate_dir = "{tmp_path}/state"\n{more}'
    )
    return settings.load(file, {})


def test_without_bridge_it_is_a_broker_of_this_machine_alone(tmp_path):
    """One listener on loopback, anyone on the machine may connect, persistence in the state folder, no bridge."""
    lines = broker.mosquitto_conf(load(tmp_path, "[broker]\nport = 1999\n")).splitlines()
    assert "listener 1999 127.0.0.1" in lines
    assert "allow_anonymous true" in lines
    assert "user root" in lines
    assert f"persistence_location {tmp_path}/state/mosquitto/" in lines
    assert not any(line.startswith(("connection", "topic", "address")) for line in lines)


def test_bridge_carries_the_site_and_nothing_else(tmp_path):
    """Up: events, state, birth, confirmations. Down: acknowledgements, replies, settings, the poke."""
    lines = broker.mosquitto_conf(load(tmp_path, '[broker]\nbridge = "mqtt://platform.example:1884"\n')).splitlines()
    assert "address platform.example:1884" in lines
    topics = sorted(line for line in lines if line.startswith("topic "))
    assert topics == sorted(
        [f"topic parvis/1/parc/+/{what} out 1" for what in ("ev/#", "state", "birth", "replied", "reported")]
        + [f"topic parvis/1/parc/+/{what} in 1" for what in ("ack", "reply/#", "desired")]
        + ["topic parvis/1/parc/feed in 1"]
    )
    assert "cleansession true" in lines
    assert not any(line.startswith(("bridge_cafile", "bridge_capath", "bridge_certfile")) for line in lines)


def test_bridge_over_tls_names_its_files(tmp_path):
    """mqtts: default port 8883, our certificate and the authority's; the system's authorities where none is named."""
    keys = 'ca = "/k/ca.pem"\ncertificate = "/k/site.pem"\nkey = "/k/site.key"\n'
    lines = broker.mosquitto_conf(load(tmp_path, f'[broker]\nbridge = "mqtts://platform.example"\n{keys}')).splitlines()
    assert "address platform.example:8883" in lines
    assert {"bridge_cafile /k/ca.pem", "bridge_certfile /k/site.pem", "bridge_keyfile /k/site.key"} <= set(lines)
    text = broker.mosquitto_conf(load(tmp_path, '[broker]\nbridge = "mqtts://platform.example"\n'))
    assert "bridge_capath /etc/ssl/certs" in text


@pytest.mark.parametrize("bind", ["0.0.0.0", "10.77.0.1", "::"])
def test_broker_without_password_is_never_opened_to_a_network(tmp_path, bind):
    """Any bind but loopback is refused with the file, the key and the remedy."""
    with pytest.raises(ConfigurationError, match=r"\[broker\] bind") as refused:
        broker.mosquitto_conf(load(tmp_path, f'[broker]\nbind = "{bind}"\n'))
    assert "127.0.0.1" in refused.value.remedy


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.7", "::1"])
def test_loopback_is_accepted(tmp_path, bind):
    """Each spelling of this machine is accepted."""
    assert f"listener 1883 {bind}" in broker.mosquitto_conf(load(tmp_path, f'[broker]\nbind = "{bind}"\n'))


def test_command_writes_what_it_runs(tmp_path, monkeypatch):
    """The words run mosquitto on the file that was just written."""
    monkeypatch.setattr(broker, "_mosquitto", lambda: "/usr/sbin/mosquitto")
    words = broker.command(load(tmp_path))
    assert words[:2] == ["/usr/sbin/mosquitto", "-c"]
    assert "listener 1883 127.0.0.1" in (tmp_path / "state/generated/mosquitto.conf").read_text()
    assert broker.kind() == "mosquitto"


def test_without_mosquitto_the_broker_in_python_runs(tmp_path, monkeypatch):
    """Where mosquitto is not installed, amqtt is run with the same configuration file."""
    monkeypatch.setattr(broker, "_mosquitto", lambda: None)
    words = broker.command(load(tmp_path))
    assert words == [sys.executable, "-m", "edge_core.broker_python", "--config", str(tmp_path / "parvis.toml")]
    assert broker.kind() == "amqtt"
