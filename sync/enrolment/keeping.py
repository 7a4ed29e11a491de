# SPDX-License-Identifier: EUPL-1.2
"""The identity's files on the disk: checked before they are written, and replaced as one; writes nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_core import durable, identity, settings_parse, settings_urls
from edge_core.errors import ContentError, NetworkError
from edge_core.identity import Identity
from sync.enrolment.ticket import digest

if TYPE_CHECKING:
    from pathlib import Path

    from sync.enrolment.ticket import Ticket

_PENDING = "pending.key"


def key_for_asking(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key of a request that is on its way, making it at first.

    It stays until its certificate is here: an answer that is lost can be asked for again by the same key only.
    """
    path = folder / _PENDING
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key
    key = ec.generate_private_key(ec.SECP256R1())
    make_folder(folder)
    _write(path, _private(key), 0o600, folder)
    return key


def request_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a signing request (PKCS #10, PEM); the name in it is the platform's to give."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "parvis")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def check(answer: dict[str, Any], key: ec.EllipticCurvePrivateKey, ca: bytes, now: datetime) -> x509.Certificate:
    """Return the certificate of an answer; raises NetworkError where it is not for our key, from `ca`, and good now."""
    try:
        found = x509.load_pem_x509_certificate(answer["certificate"].encode())
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
        ours = found.public_key() == key.public_key()
    except (KeyError, AttributeError, ValueError, TypeError, InvalidSignature):
        ours = False
    if not ours:
        raise NetworkError("The platform answered with a certificate that is not ours.", remedy="Ask who runs it.")
    if not found.not_valid_before_utc <= now < found.not_valid_after_utc:
        raise NetworkError(
            f"By this device's clock ({now:%Y-%m-%d %H:%M} UTC) its new certificate is not valid.",
            remedy="Set the clock (timedatectl), then try again with the same code.",
        )
    return found


def identity_of(answer: dict[str, Any], ticket: Ticket, serial: str) -> tuple[Identity, bytes]:
    """Return the identity and the content's root (empty: none) of an answer; ContentError where they make no sense."""
    content = answer.get("content") or {}
    try:
        root = content.get("root", "").encode()
        salt = uuid4().hex
        found = Identity(
            site=settings_parse.slug(answer["site"]["id"]),
            site_name=settings_parse.text(answer["site"]["name"]),
            device=settings_parse.slug(answer["device"]),
            bridge=settings_parse.yes_or_no(answer["bridge"]),
            broker=settings_urls.mqtt_url(answer["broker"]),
            content=settings_urls.http_url(content["url"]) if content else "",
            desk=ticket.desk,
            salt=salt,
            machine=machine_mark(salt, serial),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ContentError(f"The platform's answer makes no sense ({error}).", remedy="Ask who runs it.") from error
    if (digest(root) if root else "") != ticket.root:
        raise ContentError(
            "The root of the content is not the one of the ticket.", remedy="Ask the platform for a new ticket."
        )
    return found, root


def machine_mark(salt: str, serial: str) -> str:
    """Return what tells this machine from a copy's; "" where its hardware has no number."""
    return hashlib.sha256(f"{salt}:{serial}".encode()).hexdigest() if serial else ""


def keep(
    state_dir: Path, facts: Identity, key: ec.EllipticCurvePrivateKey, *, certificate: bytes, ca: bytes, root: bytes
) -> None:
    """Put an identity (PEM; `root` may be empty) in place of the one before, all of it or nothing.

    The request's key is forgotten then.
    """
    folder, link = identity.folder(state_dir), identity.files(state_dir)
    make_folder(folder)
    fresh = folder / uuid4().hex
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    _own(fresh, folder)
    for name, data, mode in (
        (identity.FACTS, facts.written(), 0o644),
        ("device.pem", certificate + ca, 0o644),
        ("ca.pem", ca, 0o644),
        ("device.key", _private(key), 0o640),
        ("root.json", root, 0o644),
    ):
        if data:
            _write(fresh / name, data, mode, folder)
    durable.settle(fresh)
    before = link.resolve() if link.is_symlink() else None
    step = folder / f".{fresh.name}"
    step.symlink_to(fresh.name)
    step.replace(link)
    durable.settle(folder)
    _write(folder / identity.RENEWED, b"", 0o644, folder)
    (folder / _PENDING).unlink(missing_ok=True)
    for old in folder.iterdir():
        if old.is_dir() and not old.is_symlink() and old not in (fresh, before):
            shutil.rmtree(old, ignore_errors=True)


def keep_revoked(state_dir: Path, pem: bytes, ca: bytes) -> bool:
    """Keep the authority's list of revoked certificates where it is newer than ours; tell whether it was."""
    path = identity.folder(state_dir) / identity.REVOKED
    number = _number(pem, ca)
    try:
        held = _number(path.read_bytes(), ca)
    except (OSError, NetworkError):
        held = -1
    if number <= held:
        return False
    _write(path, pem, 0o644, path.parent)
    return True


def make_folder(folder: Path) -> None:
    """Make the identity folder where the installation has not."""
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o751)
        folder.chmod(0o751)
        _own(folder, folder.parent)


def _number(pem: bytes, ca: bytes) -> int:
    try:
        found = x509.load_pem_x509_crl(pem)
        key = x509.load_pem_x509_certificate(ca).public_key()
        good = isinstance(key, ec.EllipticCurvePublicKey) and found.is_signature_valid(key)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, TypeError, x509.ExtensionNotFound):
        good = False
    if not good:
        raise NetworkError("The list of revoked certificates is not the authority's.", remedy="Ask who runs it.")
    return number


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind, secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, secret)


def _write(path: Path, data: bytes, mode: int, like: Path) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _own(fresh, like)
    fresh.replace(path)


def _own(path: Path, like: Path) -> None:
    """Give what the administrator made to the owner of the folder, or `sync` could not renew it."""
    known = like.stat()
    if os.geteuid() == 0:
        os.chown(path, known.st_uid, known.st_gid)


def now() -> datetime:
    """Return this device's time."""
    return datetime.now(UTC)
