# SPDX-License-Identifier: EUPL-1.2
"""The site's broker as it really runs: Mosquitto with its bridge, with and without TLS, and the one in Python."""

import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edge_core import broker
from edge_core.store import requests
from lab.ca import Authority
from lab.faults.peer import Peer
from lab.faults.site import Broker, Device, Process, listening, until
from lab.ports import free_port

pytestmark = pytest.mark.integration
needs_mosquitto = pytest.mark.skipif(broker.kind() != "mosquitto", reason="mosquitto is not installed")


def run_site(tmp_path, kept, more, *, first=()):
    """Start the site's broker by our own command, and `sync` beside it."""
    port = free_port()
    device = Device(tmp_path / "device", port, more=more)
    site = Process([*first, *broker.command(device.settings)], tmp_path / "site-broker.log")
    for process in (site, device.sync):
        process.start()
        kept.append(process)
    return device, site, port


def exchange(device, peer):
    """Send events up and a reply down."""
    device.tell(2000, order_each=5)
    until(device.empty, 60, "acknowledgement through the bridge")
    asked = requests.create(device.store, kind="room", subject="r", data={}, place="kiosk", now=time.time())
    until(device.empty, 60, "the order")
    peer.reply(device.name, 1, asked.id, "accepted", "R-0001")
    until(lambda: requests.get(device.store, asked.id).state == "accepted", 60, "the reply")
    until(lambda: {"epoch": peer.stream, "n": 1} in peer.replied, 60, "its confirmation")
    assert peer.births[device.name]["epoch"] == device.epoch
    assert peer.states[device.name]["online"] is True


@needs_mosquitto
def test_bridge_carries_events_up_and_acknowledgements_down(tmp_path, kept):
    """sync → site's Mosquitto → bridge → platform's Mosquitto → platform, and back; also after the bridge was cut."""
    central = Broker(tmp_path / "central")
    central.start()
    kept.append(central)
    peer = Peer(central.port).start()
    try:
        device, _, _ = run_site(tmp_path, kept, f'bridge = "mqtt://127.0.0.1:{central.port}"\n')
        exchange(device, peer)
        central.kill()
        device.tell(300)
        time.sleep(1.0)
        central.start()
        until(device.empty, 60, "acknowledgement after the platform's broker was wiped")
        assert device.account().balanced
        assert len(peer.held) == device.account().acked
    finally:
        peer.stop()


@needs_mosquitto
def test_bridge_over_tls_with_the_sites_certificate(tmp_path, kept):
    """The platform's broker asks for a certificate of its authority, and the bridge shows the site's."""
    ca = Authority(tmp_path / "ca")
    server, client = ca.issue("127.0.0.1"), ca.issue("parc")
    plain = free_port()
    more = (
        f"cafile {ca.certificate_file}\ncertfile {server[0]}\nkeyfile {server[1]}\nrequire_certificate true\n"
        f"listener {plain} 127.0.0.1\n"
    )
    central = Broker(tmp_path / "central", more=more)
    central.start()
    kept.append(central)
    peer = Peer(plain).start()
    try:
        keys = f'ca = "{ca.certificate_file}"\ncertificate = "{client[0]}"\nkey = "{client[1]}"\n'
        device, _, _ = run_site(tmp_path, kept, f'bridge = "mqtts://127.0.0.1:{central.port}"\n{keys}')
        exchange(device, peer)
    finally:
        peer.stop()


@needs_mosquitto
def test_sync_over_tls_with_the_devices_certificate(tmp_path, kept):
    """Without a broker of its own a device goes straight to one that asks for its certificate."""
    ca = Authority(tmp_path / "ca")
    server, client = ca.issue("127.0.0.1"), ca.issue("kiosk-1")
    plain = free_port()
    more = (
        f"cafile {ca.certificate_file}\ncertfile {server[0]}\nkeyfile {server[1]}\nrequire_certificate true\n"
        f"listener {plain} 127.0.0.1\n"
    )
    central = Broker(tmp_path / "central", more=more)
    central.start()
    kept.append(central)
    peer = Peer(plain).start()
    try:
        keys = f'ca = "{ca.certificate_file}"\ncertificate = "{client[0]}"\nkey = "{client[1]}"\n'
        url = f'[mqtt]\nurl = "mqtts://127.0.0.1:{central.port}"\n{keys}'
        device = Device(tmp_path / "device", free_port(), more=url, name="kiosk-1")
        device.sync.start()
        kept.append(device.sync)
        exchange(device, peer)
    finally:
        peer.stop()


@needs_mosquitto
def test_site_broker_runs_in_a_user_namespace(tmp_path, kept):
    """Inside `unshare -Urnm` only root exists; the broker starts all the same and writes its folder."""
    words = ["unshare", "-Urnm"]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are refused here")
    device = Device(tmp_path / "a folder", 1883)
    inner = f"ip link set lo up; exec {shlex.join(broker.command(device.settings))}"
    site = Process([*words, "sh", "-c", inner], tmp_path / "log")
    site.start()
    kept.append(site)

    def answers():
        assert site.popen.poll() is None, site.log.read_text()
        return "0100007F:075B" in Path(f"/proc/{site.popen.pid}/net/tcp").read_text()

    until(answers, 60, "127.0.0.1:1883 listens there")
    assert site.terminate()[0] == 0
    assert (device.settings.device.state_dir / "mosquitto/mosquitto.db").exists()


def test_broker_in_python_carries_everything(tmp_path, kept, monkeypatch):
    """amqtt speaks MQTT 3.1.1 only: `sync` finds that out and the whole exchange works, last will included."""
    monkeypatch.setattr(broker, "_mosquitto", lambda: None)
    device, site, port = run_site(tmp_path, kept, "")
    until(lambda: listening(port), 60, "amqtt")
    peer = Peer(port).start()
    try:
        exchange(device, peer)
        assert "protocol=3.1.1" in device.sync.log.read_text()
        device.sync.kill()
        until(lambda: peer.states[device.name]["online"] is False, 60, "last will")
        assert device.account().balanced
        peer.stop()
        assert site.terminate()[0] == 0, "it ends by itself, in order"
    finally:
        peer.stop()


def test_port_that_is_taken_is_explained(tmp_path, kept, monkeypatch):
    """The broker in Python says which address is taken and which setting moves it."""
    monkeypatch.setattr(broker, "_mosquitto", lambda: None)
    device, _, port = run_site(tmp_path, kept, "")
    until(lambda: listening(port), 60, "amqtt")
    second = Process(broker.command(device.settings), tmp_path / "second.log")
    second.start()
    kept.append(second)
    assert second.popen.wait(10) == 1
    assert "[broker] port" in second.log.read_text()
