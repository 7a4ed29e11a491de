# SPDX-License-Identifier: EUPL-1.2
"""The platform's certificate authority, kept in a folder; the only code that holds its key."""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_ROOT_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=365)
_CRL_LIFE = timedelta(days=90)  # a site that is cut off for longer lets none of its devices in to its own broker
_SKEW = timedelta(hours=1)  # a device whose clock is a little behind must not find its certificate in the future
_PURPOSES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)  # a gateway's broker shows it to kiosks


def digest(data: bytes) -> str:
    """Return SHA-256 as tickets write it: base64url without padding, 43 characters."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def key_digest(key: CertificatePublicKeyTypes) -> str:
    """Return the digest of a public key (SubjectPublicKeyInfo, DER)."""
    encoding, kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return digest(key.public_bytes(encoding, kind))


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file whole."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class Authority:
    """`ca.pem`, `ca.key` and what is made from them in `folder`: `server.pem`, `server.key`, `crl.pem`."""

    def __init__(self, folder: Path) -> None:
        """Read the authority, or make one where there is none."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "ca.key").exists():
            self._make()
        self.pem = (folder / "ca.pem").read_bytes()
        self.certificate = x509.load_pem_x509_certificate(self.pem)
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{folder / 'ca.key'} is no key on an elliptic curve. Restore it from its copy.")  # noqa: TRY004
        self._key = key

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate (DER), as tickets carry it."""
        return digest(self.certificate.public_bytes(serialization.Encoding.DER))

    def issue(
        self, key: CertificatePublicKeyTypes, common_name: str, names: Iterable[str], life: timedelta, now: datetime
    ) -> x509.Certificate:
        """Return a certificate for `key`; `names` are the addresses and host names under which it may serve, too."""
        ends = min(now + life, self.certificate.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives := [_alternative(name) for name in names]:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def serve_as(self, names: Sequence[str], now: datetime) -> tuple[Path, Path]:
        """Return certificate and key for our own servers (this desk, the broker) under `names`, made anew."""
        return self.own("server", names[0], names, now)

    def own(self, stem: str, common_name: str, names: Sequence[str], now: datetime) -> tuple[Path, Path]:
        """Return files of a certificate and a new key for a program of the platform itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.issue(key.public_key(), common_name, names, _SERVER_LIFE, now)
        files = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        write(files[1], _private(key), 0o600)
        write(files[0], certificate.public_bytes(serialization.Encoding.PEM) + self.pem)
        return files

    def revoke(self, serials: Iterable[tuple[int, datetime]], number: int, now: datetime) -> bytes:
        """Write and return the list of revoked certificates (RFC 5280, 5), PEM; `number` only ever rises."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _SKEW)
            .next_update(now + _CRL_LIFE)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for serial, since in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
            builder = builder.add_revoked_certificate(entry)
        pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        write(self.folder / "crl.pem", pem)
        return pem

    def _make(self) -> None:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Parvis reference platform")])
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(**usage, digital_signature=True, key_cert_sign=True, crl_sign=True), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write(self.folder / "ca.pem", root.public_bytes(serialization.Encoding.PEM))
        write(self.folder / "ca.key", _private(key), 0o600)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind, secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, secret)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
