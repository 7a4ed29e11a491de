# SPDX-License-Identifier: EUPL-1.2
"""Renewing a certificate before it ends, with overlap, and following the list of revoked ones; a thread of `sync`."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge_core import identity, logs
from edge_core.errors import ConfigurationError, ParvisError
from edge_core.store import lives
from sync.enrolment import keeping
from sync.enrolment.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_core.identity import Identity

_log = logs.get(__name__)
_PART = 2 / 3  # of its life, after which a certificate is renewed: the last third is for a desk that is away
_INTERVAL = 6 * 3600.0  # seconds between two looks, each moved by up to a fifth so that a fleet doesn't come at once


def due(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether it is time to renew. Pure."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begins + (ends - begins) * _PART


def left(certificate: x509.Certificate, now: datetime) -> timedelta:
    """Return how long a certificate is still good; negative when it is over. Pure."""
    return certificate.not_valid_after_utc - now


def present(state_dir: Path) -> tuple[Identity, x509.Certificate] | None:
    """Return the device's identity and certificate; None where it was never enrolled. Raises ConfigurationError."""
    facts = identity.read(state_dir)
    if facts is None:
        return None
    file = identity.files(state_dir) / "device.pem"
    try:
        return facts, x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        raise ConfigurationError(f"{file} can't be read ({error}).", remedy="parvis enroll --replace") from error


def is_copy(facts: Identity) -> bool:
    """Tell whether this identity was given to another machine: a card was copied, or moved."""
    serial = lives.machine()
    return bool(facts.machine and serial) and keeping.machine_mark(facts.salt, serial) != facts.machine


def renew(state_dir: Path, now: datetime, *, always: bool = False) -> bool:
    """Renew the certificate where that is due, with a new key; tell whether it was.

    The old certificate stays good at the platform until it ends. Raises ParvisError; the device stays as it was then.
    """
    found = present(state_dir)
    if found is None:
        raise ConfigurationError("This device was never enrolled.", remedy="parvis enroll")
    facts, certificate = found
    if not always and not due(certificate, now):
        return False
    if left(certificate, now) <= timedelta():
        raise ConfigurationError(
            f"The certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d}, by this device's clock of today.",
            remedy="Set the clock if it is wrong; else ask for a new code: parvis enroll --replace.",
        )
    desk = _desk(state_dir, facts)
    key = keeping.key_for_asking(identity.folder(state_dir))
    answer = desk.answer("renewal", {"csr": keeping.request_of(key)})
    fresh = keeping.check(answer, key, desk.ca, now).public_bytes(Encoding.PEM)
    try:
        root = (identity.files(state_dir) / "root.json").read_bytes()
    except FileNotFoundError:
        root = b""
    keeping.keep(state_dir, facts, key, certificate=fresh, ca=desk.ca, root=root)
    return True


def follow_revoked(state_dir: Path) -> bool:
    """Take the newest list of revoked certificates, for the site's own broker; tell whether it was new."""
    facts = identity.read(state_dir)
    if facts is None or not facts.bridge:
        return False
    desk = _desk(state_dir, facts)
    return keeping.keep_revoked(state_dir, desk.ask("revoked"), desk.ca)


def _desk(state_dir: Path, facts: Identity) -> Desk:
    files = identity.files(state_dir)
    return Desk(facts.desk, (files / "ca.pem").read_bytes(), files / "device.pem", files / "device.key")


class Renewal(threading.Thread):
    """Looks a few times a day. The next connection to the broker reads the new files; nothing has to be cut for it."""

    def __init__(self, state_dir: Path, tell: Callable[[str], None], interval: float = _INTERVAL) -> None:
        super().__init__(name="renewal", daemon=True)
        self._state_dir = state_dir
        self._tell = tell
        self._interval = interval
        self._ending = threading.Event()

    def run(self) -> None:
        """Work until `stop`; whatever goes wrong is told, and tried again at the next look."""
        while not self._ending.is_set():
            self.look(datetime.now(UTC))
            self._ending.wait(self._interval * random.uniform(0.8, 1.2))  # noqa: S311  spreads a fleet, hides nothing

    def look(self, now: datetime) -> None:
        """Renew where it is due, and follow the list of revoked certificates."""
        try:
            if identity.read(self._state_dir) is None:
                return
            if renew(self._state_dir, now):
                _log.info("certificate_renewed")
            if follow_revoked(self._state_dir):
                _log.info("revocations_followed")
            self._tell("")
        except (ParvisError, OSError) as error:
            _log.error("not_renewed", reason=str(error))
            self._tell(str(error))

    def stop(self) -> None:
        """Don't look again."""
        self._ending.set()
