# SPDX-License-Identifier: EUPL-1.2
"""A certificate authority for tests and the demo: made fresh, valid for weeks, trusted by nobody but the lab."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=90)  # the gateway stops telling the portal's API when its certificate comes near its end
_PURPOSES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]  # devices show theirs to a broker


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _signs_certificates() -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    others = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**others, key_cert_sign=True, crl_sign=True)


def _subject(word: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(word))
    except ValueError:
        return x509.DNSName(word)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Authority:
    """A CA whose files live in one folder: `ca.pem`, and NAME.pem with NAME.key for each certificate issued."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, the key and the root certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate_file = folder / "ca.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Parvis lab")
        root = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_signs_certificates(), critical=True)  # strict verifiers demand it (RFC 5280, 4.2.1.3)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta = _LIFE
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        public = key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )

    def issue(self, *names: str, life: timedelta = _LIFE) -> tuple[Path, Path]:
        """Return files of certificate chain and key for these DNS names and addresses; the first names the files."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(_name(names[0]), key, life)
            .add_extension(x509.SubjectAlternativeName([_subject(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = names[0].replace("*", "star").replace("/", "-")
        chain, key_file = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + self.certificate_file.read_bytes())
        _write_key(key_file, key)
        return chain, key_file
