# SPDX-License-Identifier: EUPL-1.2
"""The site's broker shows its certificate to the platform's; a renewed one is shown after it, and nothing is lost."""

import shutil
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from edge_core import broker
from lab.ca import Authority
from lab.faults.peer import Peer
from lab.faults.site import Broker, Device, Process, listening, until
from lab.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


def revoke(authority, file, *certificates):
    """Write the list of revoked certificates."""
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority._name)
    builder = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=1))
    for serial in certificates:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    file.write_bytes(builder.sign(authority._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


class Platform(Broker):
    """Mosquitto that lets in who shows a certificate of its authority, and our own people without one."""

    def __init__(self, folder):
        self.authority = Authority(folder / "ca")
        self.revoked, self.secure = folder / "revoked.pem", free_port()
        certificate, key = self.authority.issue("127.0.0.1")
        revoke(self.authority, self.revoked)
        super().__init__(
            folder,
            more=f"listener {self.secure} 127.0.0.1\nrequire_certificate true\ncafile {folder}/ca/ca.pem\n"
            f"certfile {certificate}\nkeyfile {key}\ncrlfile {self.revoked}\n",
        )

    def takes(self, certificate, key):
        """Tell whether it goes on talking to who shows this certificate."""
        context = ssl.create_default_context(cafile=self.authority.certificate_file)
        context.load_cert_chain(certificate, key)
        try:
            with (
                socket.create_connection(("127.0.0.1", self.secure), 20) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            ):
                secure.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01x")
                return secure.recv(4)[:1] == b"\x20"
        except OSError:
            return False


@pytest.fixture
def site(tmp_path):
    """Return the platform's broker, a gateway with `sync`, the site's own broker, and the bridge's certificate."""
    platform = Platform(tmp_path / "platform")
    pair = platform.authority.issue("parc/gateway-1")
    device = Device(
        tmp_path / "device", free_port(),
        more=f'bridge = "mqtts://127.0.0.1:{platform.secure}"\nca = "{platform.authority.certificate_file}"\n'
        f'certificate = "{pair[0]}"\nkey = "{pair[1]}"\n',
    )  # fmt: skip
    own = Process(broker.command(device.settings), tmp_path / "broker.log")
    platform.start()
    own.start()
    until(lambda: listening(device.settings.broker.port), 60, "the site's broker")
    yield platform, device, own, pair
    for process in (device.sync, own, platform):
        process.kill()
    device.store.close()


def test_a_renewed_certificate_opens_the_bridge_again(site, tmp_path):
    """Renewed with overlap, the old one then revoked and the connection cut: the bridge comes back with the new one."""
    platform, device, _, pair = site
    peer = Peer(platform.port).start()
    device.sync.start()
    device.tell(200, order_each=20)
    until(device.empty, 60, "everything acknowledged through the first certificate")
    old = [shutil.copy(path, tmp_path / f"old-{path.name}") for path in pair]
    serial = x509.load_pem_x509_certificate(pair[0].read_bytes()).serial_number
    platform.authority.issue("parc/gateway-1")  # into the same files, as a renewal does
    device.tell(100)
    assert platform.takes(*old)
    assert platform.takes(*pair)
    revoke(platform.authority, platform.revoked, serial)
    platform.kill()
    device.tell(100)
    platform.start()
    assert not platform.takes(*old)
    until(device.empty, 120, "everything acknowledged through the renewed certificate")
    account = device.account()
    assert (account.dropped, account.pending) == (0, 0)
    assert peer.complete(device.name, device.epoch) == account.created
    peer.stop()
