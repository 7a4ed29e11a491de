# SPDX-License-Identifier: EUPL-1.2
"""The platform's registration desk as a device talks to it: HTTPS to an authority that is known by its hash."""

from __future__ import annotations

import json
import re
import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge_core.errors import ConfigurationError, NetworkError, ProcessError
from sync.enrolment.ticket import digest

if TYPE_CHECKING:
    from pathlib import Path

    from sync.enrolment.ticket import Ticket

_TIMEOUT = urllib3.Timeout(connect=10.0, read=30.0)
_LARGEST = 262144
_WORD = re.compile(r"urn:parvis:enrolment:([a-z-]{1,40})")
_TOO_EARLY, _TOO_LATE = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_REMEDIES = {
    "code-unknown": "Check it against the label; ask the platform for a new one.",
    "code-expired": "Ask the platform for a new one.",
    "code-used": "One code is for one machine: ask the platform for a new one.",
    "revoked": "Ask the platform for a new code, then: parvis enroll --replace.",
    "renewed-elsewhere": "Find the copy of this device, then enrol both with new codes: parvis enroll --replace.",
    "too-many": "Wait a minute, then try again.",
}


class RefusedError(ProcessError):
    """The desk said no; `word` is its reason for programs."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(f"The platform refused: {detail}", remedy=_REMEDIES.get(word, "Ask who runs the platform."))
        self.word = word


@dataclass(frozen=True)
class Desk:
    """A desk at `place` (HOST:PORT) whose authority (PEM) is believed."""

    place: str
    ca: bytes
    certificate: Path | None = None
    key: Path | None = None

    def ask(self, what: str, body: dict[str, str] | None = None) -> bytes:
        """GET, or POST a JSON object to, /enrolment/1/`what`. Raises RefusedError, NetworkError."""
        context = ssl.create_default_context(cadata=self.ca.decode("ascii"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            _show(context, self.certificate, self.key)
        return _request(self.place, what, context, body)

    def answer(self, what: str, body: dict[str, str]) -> dict[str, Any]:
        """POST and return a JSON object. Raises as `ask` does."""
        try:
            found = json.loads(self.ask(what, body))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise NetworkError(f"{self.place} is no enrolment desk.", remedy="Check the address.")
        return found


def known_by(ticket: Ticket) -> Desk:
    """Return the desk of a ticket, after fetching its authority and comparing its hash: nothing is believed before.

    The fetch itself proves nothing, and needs not: bytes with that hash are the right ones, whoever handed them over
    (RFC 7030, 4.1.1). The code is only sent over a connection that this authority vouches for.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # see above: the answer is compared with the hash in the ticket
    with warnings.catch_warnings(category=urllib3.exceptions.InsecureRequestWarning, action="ignore"):
        pem = _request(ticket.desk, "ca", context, None)
    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError:
        found = None
    if found is None or digest(found.public_bytes(Encoding.DER)) != ticket.authority:
        raise NetworkError(
            f"{ticket.desk} shows another authority than the ticket's: somebody may be in between. No code was sent.",
            remedy="Check the ticket and the network; ask who runs the platform whether its authority has changed.",
        )
    return Desk(ticket.desk, found.public_bytes(Encoding.PEM))


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{certificate} can't be used ({error}).", remedy="Enrol again with a new code: parvis enroll --replace."
        ) from error


def _request(place: str, what: str, context: ssl.SSLContext, body: dict[str, str] | None) -> bytes:
    url = f"https://{place}/enrolment/1/{what}"
    try:
        with urllib3.PoolManager(ssl_context=context, retries=False, timeout=_TIMEOUT) as pool:
            response = pool.request(
                "POST" if body is not None else "GET", url, json=body, preload_content=False, redirect=False
            )
            data = response.read(_LARGEST + 1)
            response.close()
    except urllib3.exceptions.SSLError as error:
        raise _untrusted(place, error) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NetworkError(
            f"{place} can't be reached ({_said(error)}).", remedy="Check cable, address and firewall, then try again."
        ) from error
    if response.status not in (200, 201):
        raise _refusal(place, response.status, data)
    if len(data) > _LARGEST:
        raise NetworkError(f"{place} answers far too much.", remedy="Check the address.")
    return data


def _untrusted(place: str, error: Exception) -> NetworkError:
    """Say why a connection is not trusted; the clock of a new device is the usual reason."""
    reason: Any = error.args[0] if error.args else error
    code = getattr(reason, "verify_code", 0)
    if code in (_TOO_EARLY, _TOO_LATE):
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        when = "not valid yet" if code == _TOO_EARLY else "no longer valid"
        return NetworkError(
            f"By this device's clock ({now}) the certificate of {place} is {when}.",
            remedy="Set the clock (timedatectl), then try again. If the clock is right, tell who runs the platform.",
        )
    remedy = "Check the address; ask who runs the platform."
    return NetworkError(f"{place} is not trusted ({_said(reason)}).", remedy=remedy)


def _refusal(place: str, status: int, data: bytes) -> RefusedError | NetworkError:
    try:
        problem = json.loads(data)
        word = _WORD.fullmatch(problem["type"])
        detail = "".join(each for each in str(problem["detail"])[:300] if each.isprintable())
    except (ValueError, KeyError, TypeError, RecursionError):
        word = None
    if word is None:
        return NetworkError(f"{place} answers with status {status}.", remedy="Try again later; check the address.")
    return RefusedError(word[1], detail)


def _said(error: Any) -> str:
    return str(getattr(error, "reason", None) or error)[:200]
