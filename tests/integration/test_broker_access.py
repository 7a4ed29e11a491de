# SPDX-License-Identifier: EUPL-1.2
"""The site's broker towards its devices: by certificate only, each for itself alone, and a revoked one no more."""

import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_core import broker, roles, settings
from edge_core.errors import ConfigurationError
from lab.ca import Authority
from lab.faults.site import Process, listening, until
from lab.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


class Site:
    """A broker as Parvis configures it, and devices with certificates."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = Authority(folder / "ca")
        certificate, key = self.authority.issue("127.0.0.1")
        self.shown = certificate, key
        self.port = free_port()
        self.revoked = folder / "revoked.pem"
        self.revoke()
        config = folder / "parvis.toml"
        config.write_text(
            f'[site]\nid = "parc"\nname = "Le parc"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
            f'[broker]\nport = {free_port()}\nlan = "127.0.0.1:{self.port}"\nlan_ca = "{folder}/ca/ca.pem"\n'
            f'lan_certificate = "{certificate}"\nlan_key = "{key}"\nlan_revoked = "{self.revoked}"\n',
            encoding="utf-8",
        )
        self.settings = settings.load(config, {})
        self.process = Process(broker.command(self.settings), folder / "log")
        self.process.start()
        until(lambda: listening(self.port), 60, "the broker")

    def certificate_seen_with(self, certificate, key):
        """Return what the broker shows to a device, as DER."""
        context = ssl.create_default_context(cafile=self.folder / "ca" / "ca.pem")
        context.load_cert_chain(certificate, key)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            return secure.getpeercert(binary_form=True)

    def told_to_reread(self):
        """Run what its unit runs at a reload."""
        words = [sys.executable, "-m", "edge_core.broker", "--config", str(self.settings.source)]
        words += ["--reload", str(self.process.popen.pid)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def revoke(self, *certificates):
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.authority._name)
        builder = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=1))
        for path in certificates:
            serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        signed = builder.sign(self.authority._key, hashes.SHA256())
        self.revoked.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def connect(self, name, heard=None, topics=()):
        """Return a connected client with that device's certificate; None where it is refused."""
        certificate, key = self.authority.issue(name) if name else (None, None)
        return self.connect_with(certificate, key, heard, topics)

    def connect_with(self, certificate, key, heard=None, topics=()):
        context = ssl.create_default_context(cafile=str(self.folder / "ca" / "ca.pem"))
        if certificate:
            context.load_cert_chain(certificate, key)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "", protocol=MQTTProtocolVersion.MQTTv311)
        client.tls_set_context(context)
        ready = threading.Event()
        client.on_connect = lambda link, _d, _f, reason, _p: (
            None if reason.is_failure else (link.subscribe([(t, 1) for t in topics]) if topics else ready.set())
        )
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _c, _d, message: heard.append((message.topic, message.payload))
        try:
            client.connect("127.0.0.1", self.port)
        except OSError:
            return None
        client.loop_start()
        if not ready.wait(3):
            client.loop_stop()
            return None
        return client

    def close(self):
        self.process.kill()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


def test_a_device_speaks_and_hears_for_itself_alone(site):
    """Kiosk A publishes as A and hears its own; as B it is not heard, and B's messages it doesn't get."""
    hers, all_of_it = [], []
    inside = mqtt.Client(CallbackAPIVersion.VERSION2, "inside", protocol=MQTTProtocolVersion.MQTTv311)
    inside.on_message = lambda _c, _d, message: all_of_it.append(message.topic)
    inside.connect("127.0.0.1", site.settings.broker.port)
    inside.subscribe("parvis/#", 1)
    inside.loop_start()
    kiosk = site.connect("parc/kiosk-1", hers, ["parvis/#", "parvis/1/parc/kiosk-2/ack", "parvis/1/parc/kiosk-1/ack"])
    assert kiosk is not None
    for topic in (
        *("kiosk-1/birth", "kiosk-1/ev/usage", "kiosk-2/birth", "kiosk-2/ev/usage", "kiosk-1/ack", "feed"),
        *("kiosk-1/live/help", "kiosk-2/live/help", "gateway-1/live/busy"),
    ):
        kiosk.publish(f"parvis/1/parc/{topic}", b"x", qos=1)
    kiosk.publish("parvis/1/ailleurs/kiosk-1/birth", b"x", qos=1)
    for topic in ("kiosk-1/ack", "kiosk-2/ack", "kiosk-2/desired", "feed", "kiosk-2/ev/order", "gateway-1/live/busy",
                  "kiosk-2/live/content"):  # fmt: skip
        inside.publish(f"parvis/1/parc/{topic}", b"y", qos=1)
    until(lambda: "parvis/1/parc/kiosk-2/live/content" in [topic for topic, _ in hers], 60, "what all may hear")
    time.sleep(0.3)
    own = ("birth", "ev/usage", "live/help")
    said = [topic.removeprefix("parvis/1/parc/") for topic in all_of_it if topic.endswith(own)]
    assert sorted(said) == ["kiosk-1/birth", "kiosk-1/ev/usage", "kiosk-1/live/help"]
    assert all_of_it.count("parvis/1/parc/gateway-1/live/busy") == 1, "said by the gateway alone"
    assert {topic.removeprefix("parvis/1/parc/") for topic, _ in hers} == {
        "kiosk-1/ack",
        "feed",
        "gateway-1/live/busy",
        "kiosk-1/live/help",
        "kiosk-2/live/content",
    }
    assert all(payload == b"y" for topic, payload in hers if not topic.endswith("help"))
    for client in (kiosk, inside):
        client.disconnect()
        client.loop_stop()


def test_without_a_certificate_of_the_site_nobody_enters(site, tmp_path):
    """No certificate, or another authority's: the door stays shut."""
    assert site.connect("") is None
    certificate, key = Authority(tmp_path / "other").issue("parc/kiosk-1")
    assert site.connect_with(certificate, key) is None


def test_a_certificate_is_replaced_with_overlap_and_revoked(site):
    """The old and the new certificate of a device both work; once revoked and reloaded, the old one doesn't."""
    old = [path.rename(path.with_name(f"old-{path.name}")) for path in site.authority.issue("parc/kiosk-1")]
    new = site.authority.issue("parc/kiosk-1")
    for pair in (old, new):
        client = site.connect_with(*pair)
        assert client is not None
        client.disconnect()
        client.loop_stop()
    site.process.kill()
    site.revoke(old[0])
    site.process.start()
    until(lambda: listening(site.port), 60, "the broker")
    assert site.connect_with(*old) is None
    client = site.connect_with(*new)
    assert client is not None
    client.disconnect()
    client.loop_stop()


def test_the_brokers_own_renewed_certificate_is_shown_without_a_cut(site):
    """Told as its unit tells it when the files change (SIGHUP): the next connection sees it, the old one stays."""
    pair = site.authority.issue("parc/kiosk-1")
    client = site.connect_with(*pair)
    lost = []
    client.on_disconnect = lambda *_: lost.append(1)
    before = site.certificate_seen_with(*pair)
    old = [path.read_bytes() for path in site.shown]
    site.authority.issue("127.0.0.1")
    assert [path.read_bytes() for path in site.shown] != old
    assert site.certificate_seen_with(*pair) == before
    assert set(site.shown) <= set(roles._broker(site.settings).reread)
    assert site.told_to_reread().returncode == 0
    until(lambda: site.certificate_seen_with(*pair) != before, 30, "the renewed certificate")
    assert client.is_connected()
    assert not lost
    client.disconnect()
    client.loop_stop()


def test_a_broker_whose_own_settings_changed_is_not_told_that_it_has_them(site):
    """What it takes at a new start alone is refused with that remedy, and it goes on as it was."""
    client = site.connect("parc/kiosk-1")
    config = site.settings.source
    config.write_text(config.read_text().replace("port =", 'bridge = "mqtt://192.0.2.1"\nport =', 1))
    told = site.told_to_reread()
    assert (told.returncode, "systemctl restart parvis-broker" in told.stderr) == (1, True), told.stderr
    assert client.is_connected()
    client.disconnect()
    client.loop_stop()


def test_a_network_without_certificates_is_refused(tmp_path):
    """A listener for the site's devices needs all three files, and says which is missing."""
    config = tmp_path / "parvis.toml"
    config.write_text(
        f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "g"\nstate_dir = "{tmp_path}/state"\n'
        f'[broker]\nlan = "10.77.0.1:8883"\nlan_ca = "{tmp_path}/ca.pem"\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError, match="lan_certificate"):
        broker.mosquitto_conf(settings.load(config, {}))
