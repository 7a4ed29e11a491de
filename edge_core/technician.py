# SPDX-License-Identifier: EUPL-1.2
"""A technician's pass: a short signed text (Ed25519, RFC 8032) for one site, one device or all, and a time. Pure.

It is shown to the kiosk's scanner as a QR code. Who has no private key can make none; a copy is good until it ends, so
it is made for hours, not for months.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

LONGEST_HOURS = 72
_MARK = "K"
_ANY = "*"


class PassError(ValueError):
    """Why a pass opens nothing: "not_ours", "forged", "over", "other_site", "other_device"."""


@dataclass(frozen=True)
class Pass:
    """What a pass says; `until` is in seconds since 1970, `device` an id or "*"."""

    site: str
    device: str
    until: int


def make(given: Pass, key: Ed25519PrivateKey) -> str:
    """Return the text of a pass: printable ASCII, about 200 characters."""
    body = json.dumps({"s": given.site, "d": given.device, "u": given.until}, separators=(",", ":")).encode()
    return f"PARVIS:{given.site}:{_MARK}:{_text(body)}.{_text(key.sign(_signed(body)))}"


def is_pass(text: str) -> bool:
    """Tell whether a text means to be a pass, good or not."""
    parts = text.split(":", 3)
    return len(parts) == 4 and parts[0] == "PARVIS" and parts[2] == _MARK


def check(text: str, public: Ed25519PublicKey, site: str, device: str, now: float) -> Pass:
    """Return a pass that is good here and now. Raises PassError."""
    if not is_pass(text):
        raise PassError("not_ours")
    try:
        body, signature = (_bytes(part) for part in text.split(":", 3)[3].split("."))
        public.verify(signature, _signed(body))
        raw = json.loads(body)
        found = Pass(str(raw["s"]), str(raw["d"]), int(raw["u"]))
    except (InvalidSignature, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise PassError("forged") from error
    if found.site != site:
        raise PassError("other_site")
    if found.device not in (_ANY, device):
        raise PassError("other_device")
    if not now < found.until <= now + LONGEST_HOURS * 3600:
        raise PassError("over")
    return found


def read_public(pem: bytes) -> Ed25519PublicKey:
    """Return the public key of a PEM text. Raises ValueError."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004  the caller words it
    return key


def _signed(body: bytes) -> bytes:
    return b"parvis technician 1\0" + body  # a signature for something else is none for this


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
