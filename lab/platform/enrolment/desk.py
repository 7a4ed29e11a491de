# SPDX-License-Identifier: EUPL-1.2
"""Who gets a certificate: judges codes, requests and renewals, and takes certificates back. Speaks to no network."""

from __future__ import annotations

import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.platform.enrolment import mosquitto
from lab.platform.enrolment.authority import Authority, digest, key_digest
from lab.platform.enrolment.register import Register

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: nothing that looks like something else
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_CODE = 16  # characters of 5 bits: 80 bits
_KIND = "urn:parvis:enrolment:"


class RefusalError(Exception):
    """The desk says no: an HTTP status, a word for programs, a sentence for people."""

    def __init__(self, status: int, word: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = {"type": _KIND + word, "title": word.replace("-", " "), "status": status, "detail": detail}


@dataclass(frozen=True)
class Place:
    """What a ticket is for. `bridge`: a gateway whose broker speaks for its site; it may serve under `names`."""

    site: str
    site_name: str
    device: str
    broker: str
    bridge: bool = False
    names: tuple[str, ...] = ()
    content: str = ""
    root: str = ""
    days: int = 90
    hours: float = 72.0

    @property
    def common_name(self) -> str:
        """The name by which a broker knows the bearer (R-006)."""
        return self.site if self.bridge else f"{self.site}/{self.device}"


@dataclass
class Desk:
    """The authority, its register, and what happens after a certificate was taken back."""

    authority: Authority
    register: Register
    after_revoking: Callable[[], None] = field(default=lambda: None)
    _publishing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path) -> Desk:
        """Open the desk of a folder, making what is missing."""
        desk = cls(Authority(folder), Register(folder / "register.db"))
        if not (folder / "crl.pem").exists():
            desk.publish_revoked(datetime.now(UTC))
        return desk

    def ticket(self, place: Place, now: datetime) -> str:
        """Return a new ticket: where the desk is, a code for one device, and whom it may believe."""
        for word in (place.site, place.device):
            if not _SLUG.fullmatch(word):
                raise ValueError(f"{word!r} is no name of a site or device: a-z, 0-9 and hyphens.")
        address = self.register.setting("address")
        if not address:
            raise ValueError("The desk has no address yet. Run: … init --name HOST --port PORT.")
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE))
        with self.register.change() as connection:
            connection.execute(
                "INSERT INTO tickets (code, site, site_name, device, bridge, names, broker, content, root, days,"
                " made_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [digest(code.encode()), place.site, place.site_name, place.device, int(place.bridge),
                 json.dumps(place.names), place.broker, place.content, place.root, place.days, now.timestamp(),
                 (now + timedelta(hours=place.hours)).timestamp()],
            )  # fmt: skip
        spaced = "-".join(code[start : start + 4] for start in range(0, _CODE, 4))
        root = digest(place.root.encode()) if place.root else "-"
        return f"parvis1/{address}/{spaced}/{self.authority.fingerprint}/{root}"

    def look(self, code: str, now: datetime) -> dict[str, Any]:
        """Return what a code would give, without using it; RefusalError where it would give nothing."""
        with self.register.change() as connection:
            row = _ticket(connection, code, now)
        return {
            "site": {"id": row["site"], "name": row["site_name"]},
            "device": row["device"],
            "bridge": bool(row["bridge"]),
            "used": row["key"] is not None,
            "root": digest(row["root"].encode()) if row["root"] else None,
        }

    def enrol(self, code: str, request: bytes, now: datetime) -> dict[str, Any]:
        """Use a code up for the key of a signing request, and return the identity.

        The same key may ask again (an answer may be lost on the way); another key never.
        """
        key = _key_of(request)
        with self.register.change() as connection:
            row = _ticket(connection, code, now)
            own = key_digest(key)
            if row["key"] not in (None, own):
                raise RefusalError(409, "code-used", "This code was used by another machine. Ask for a new one.")
            known = _latest(connection, row["code"], own)
            if known is None:
                self._take_back(connection, row["site"], row["device"], "replaced", now)
                known = self._issue(connection, row, key, None, now)
                connection.execute(
                    "UPDATE tickets SET key = ?, used_at = ?, serial = ? WHERE code = ?",
                    [own, now.timestamp(), known["serial"], row["code"]],
                )
        self.publish_revoked(now)
        return self._identity(row, known["pem"])

    def renew(self, shown: x509.Certificate, request: bytes, now: datetime) -> dict[str, Any]:
        """Return a certificate for a new key to the bearer of a good one, which stays good until it ends."""
        key = _key_of(request)
        with self.register.change() as connection:
            old = connection.execute(
                "SELECT * FROM certificates WHERE serial = ?", [f"{shown.serial_number:x}"]
            ).fetchone()
            if old is None or old["revoked_at"] is not None:
                raise RefusalError(403, "revoked", "This certificate was taken back. Enrol again with a new code.")
            if old["key"] == key_digest(key):
                raise RefusalError(400, "bad-request", "A renewal brings a new key.")
            row = connection.execute("SELECT * FROM tickets WHERE code = ?", [old["ticket"]]).fetchone()
            heir = connection.execute("SELECT * FROM certificates WHERE follows = ?", [old["serial"]]).fetchone()
            if heir is not None and heir["key"] != key_digest(key):
                raise RefusalError(
                    409, "renewed-elsewhere",
                    "Another machine has renewed this certificate: one of the two is a copy.",
                )  # fmt: skip
            known = heir or self._issue(connection, row, key, old["serial"], now)
        return self._identity(row, known["pem"])

    def revoke(self, site: str, device: str, now: datetime, reason: str = "revoked") -> int:
        """Take back every certificate of a device; return how many there were."""
        with self.register.change() as connection:
            taken = self._take_back(connection, site, device, reason, now)
        self.publish_revoked(now)
        return taken

    def certificates(self) -> list[dict[str, Any]]:
        """Return what was given, newest first, for people to look at."""
        with self.register.change() as connection:
            rows = connection.execute(
                "SELECT site, device, serial, issued_at, expires_at, revoked_at, reason FROM certificates"
                " ORDER BY issued_at DESC, serial"
            ).fetchall()
        return [dict(row) for row in rows]

    def publish_revoked(self, now: datetime) -> None:
        """Write the list of revoked certificates and the broker's rules, and have the broker read them."""
        with self._publishing:
            self._publish_revoked(now)

    def _publish_revoked(self, now: datetime) -> None:
        number = int(self.register.setting("crl_number") or 0) + 1
        self.register.setting("crl_number", str(number))
        with self.register.change() as connection:
            rows = connection.execute(
                "SELECT serial, revoked_at FROM certificates WHERE revoked_at IS NOT NULL AND expires_at > ?",
                [now.timestamp()],
            ).fetchall()
            shut = connection.execute(
                "SELECT site, device, t.bridge FROM certificates c JOIN tickets t USING (site, device)"
                " WHERE t.code = c.ticket GROUP BY site, device HAVING count(*) = count(c.revoked_at)"
            ).fetchall()
        revoked = [(int(row["serial"], 16), datetime.fromtimestamp(row["revoked_at"], UTC)) for row in rows]
        self.authority.revoke(revoked, number, now)
        names = [row["site"] if row["bridge"] else f"{row['site']}/{row['device']}" for row in shut]
        mosquitto.write_rules(self.authority.folder, names)
        self.after_revoking()

    def _issue(
        self, connection: sqlite3.Connection, row: sqlite3.Row, key: ec.EllipticCurvePublicKey, follows: str | None,
        now: datetime,
    ) -> dict[str, str]:  # fmt: skip
        name = row["site"] if row["bridge"] else f"{row['site']}/{row['device']}"
        life = timedelta(days=row["days"])
        certificate = self.authority.issue(key, name, json.loads(row["names"]), life, now)
        pem, serial = certificate.public_bytes(serialization.Encoding.PEM).decode(), f"{certificate.serial_number:x}"
        connection.execute(
            "INSERT INTO certificates (serial, site, device, ticket, key, pem, issued_at, expires_at, follows)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [serial, row["site"], row["device"], row["code"], key_digest(key), pem, now.timestamp(),
             certificate.not_valid_after_utc.timestamp(), follows],
        )  # fmt: skip
        return {"serial": serial, "pem": pem}

    def _take_back(self, connection: sqlite3.Connection, site: str, device: str, reason: str, now: datetime) -> int:
        return connection.execute(
            "UPDATE certificates SET revoked_at = ?, reason = ? WHERE site = ? AND device = ? AND revoked_at IS NULL",
            [now.timestamp(), reason, site, device],
        ).rowcount

    def _identity(self, row: sqlite3.Row, pem: str) -> dict[str, Any]:
        return {
            "site": {"id": row["site"], "name": row["site_name"]},
            "device": row["device"],
            "bridge": bool(row["bridge"]),
            "certificate": pem,
            "ca": self.authority.pem.decode(),
            "broker": row["broker"],
            "content": {"url": row["content"], "root": row["root"]} if row["content"] else None,
        }


def _ticket(connection: sqlite3.Connection, code: str, now: datetime) -> sqlite3.Row:
    """Return the ticket of a code; RefusalError where there is none, or its time is over and nobody has used it."""
    hashed = digest(code.upper().replace("-", "").encode())
    row: sqlite3.Row | None = connection.execute("SELECT * FROM tickets WHERE code = ?", [hashed]).fetchone()
    if row is None:
        raise RefusalError(404, "code-unknown", "There is no such code. Check it, or ask for a new one.")
    if now.timestamp() > row["expires_at"]:
        raise RefusalError(410, "code-expired", "This code's time is over. Ask for a new one.")
    return row


def _latest(connection: sqlite3.Connection, ticket: str, key: str) -> dict[str, str] | None:
    row = connection.execute(
        "SELECT serial, pem FROM certificates WHERE ticket = ? AND key = ? AND revoked_at IS NULL", [ticket, key]
    ).fetchone()
    return dict(row) if row else None


def _key_of(request: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key of a signing request (PKCS #10) that proves its possession; nothing else of it counts."""
    try:
        csr = x509.load_pem_x509_csr(request)
        key = csr.public_key()
        good = csr.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    except (ValueError, TypeError):
        good = False
    if not good:
        raise RefusalError(400, "bad-request", "The signing request is none, or not for a key on P-256.")
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key
