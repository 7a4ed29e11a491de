# SPDX-License-Identifier: EUPL-1.2
"""What a technician gives a device: where the desk is, a one-use code, and the hashes of whom it may believe. Pure."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_core.errors import ConfigurationError

_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}")  # Crockford's base 32: no I, L, O, U
_LOOKS_LIKE = str.maketrans("ILO", "110")


@dataclass(frozen=True)
class Ticket:
    """`authority` and `root` are SHA-256 (base64url) of the desk's CA (DER) and of root.json; `root` may be empty."""

    host: str
    port: int
    code: str
    authority: str
    root: str

    @property
    def desk(self) -> str:
        """HOST:PORT of the desk."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def digest(data: bytes) -> str:
    """Return SHA-256 as a ticket writes it."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def parse(text: str) -> Ticket:
    """Read a ticket as it was scanned, pasted or typed; ConfigurationError says which part is wrong, never the code."""
    parts = "".join(text.split()).split("/")
    if len(parts) != 5 or parts[0].lower() != "parvis1":
        raise _wrong("is not a ticket", "It looks like parvis1/HOST:PORT/CODE/HASH/HASH: scan it, or paste it whole.")
    try:
        desk = urlsplit(f"//{parts[1]}")
        host, port = desk.hostname or "", desk.port or 0
    except ValueError:
        host, port = "", 0
    if not host or not port or desk.username:
        raise _wrong("names no desk", "Its second part is HOST:PORT.")
    code = parts[2].upper().replace("-", "").translate(_LOOKS_LIKE)
    if not _CODE.fullmatch(code):
        raise _wrong("has no code of 16 characters", "Look at its third part: four groups of four.")
    if not _HASH.fullmatch(parts[3]) or not (_HASH.fullmatch(parts[4]) or parts[4] == "-"):
        raise _wrong("was cut or mistyped", "Its last two parts have 43 characters each: scan the label again.")
    return Ticket(host, port, code, parts[3], "" if parts[4] == "-" else parts[4])


def _wrong(what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"What was given {what}.", remedy=remedy)
