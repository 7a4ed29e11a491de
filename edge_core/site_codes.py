# SPDX-License-Identifier: EUPL-1.2
"""WiFi codes that a kiosk makes and the gateway believes without having heard of them: signed with the site's key.

60 bits in Crockford's alphabet: 26 drawn at random, 34 of an HMAC over them, the site and the day: one guess in 17
billion opens something, and guesses are limited where codes are typed. A code is good on its day and the next; what it
gives, and that it is used once, is the gateway's business. Pure.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from edge_core import keyfile
from edge_core.store.vouchers import ALPHABET, normal

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 12
_RANDOM_BITS, _SIGNED_BITS, _LETTER_BITS = 26, 34, 5
DAY = 86400


def load(path: Path | None) -> bytes | None:
    """Return the key for WiFi codes; None where the site has none or it can't be read."""
    key = site_key(path)
    return keyfile.derive(key, "wifi codes") if key else None


def site_key(path: Path | None) -> bytes | None:
    """Return the secret that the site's devices share; None where there is none, or it is too short to be one."""
    try:
        key = path.read_bytes().strip() if path else b""
    except OSError:
        return None
    return key if len(key) >= keyfile.LENGTH else None


def make(key: bytes, site: str, now: float) -> str:
    """Draw a code that is good on the day of `now` (UTC) and the next one."""
    drawn = secrets.randbits(_RANDOM_BITS)
    return _letters((drawn << _SIGNED_BITS) | _signature(key, site, int(now // DAY), drawn))


def check(key: bytes, site: str, given: str, now: float) -> bool:
    """Tell whether a code, however it is written, was made at this site today or yesterday."""
    code = normal(given)
    if len(code) != LENGTH or any(letter not in ALPHABET for letter in code):
        return False
    number = 0
    for letter in code:
        number = (number << _LETTER_BITS) | ALPHABET.index(letter)
    drawn, signed = number >> _SIGNED_BITS, number & ((1 << _SIGNED_BITS) - 1)
    today = int(now // DAY)
    return any(
        hmac.compare_digest(signed.to_bytes(5, "big"), _signature(key, site, day, drawn).to_bytes(5, "big"))
        for day in (today, today - 1)
    )


def spoken(code: str) -> str:
    """Return a code as people read it, in groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def _signature(key: bytes, site: str, day: int, drawn: int) -> int:
    digest = hmac.digest(key, f"{site}\0{day}\0{drawn}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - _SIGNED_BITS)


def _letters(number: int) -> str:
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range((LENGTH - 1) * _LETTER_BITS, -1, -_LETTER_BITS))
