# SPDX-License-Identifier: EUPL-1.2
"""What a scanned or typed text is: a visitor's ticket, an invitation, a receptionist's badge, another site's; pure.

QR codes of Parvis hold `PARVIS:SITE:KIND:CODE`; a code alone, as people type it, may be any kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TICKET, INVITATION, STAFF = "T", "V", "S"
UNREADABLE, FOREIGN, ANY = "unreadable", "foreign", "any"
PREFIX = "PARVIS:"
_QR = re.compile(r"PARVIS:(?P<site>[A-Za-z0-9][A-Za-z0-9._-]{0,62}):(?P<kind>[TVS]):(?P<code>[0-9A-Z]{6,32})")
_TYPED = re.compile(r"[0-9A-Za-z]{4,32}")
_LONGEST = 120


@dataclass(frozen=True)
class Scan:
    """`kind` is T, V or S, "any" for a typed code, "foreign" for another site's, "unreadable" for all else."""

    kind: str
    code: str = ""


def write(site: str, kind: str, code: str) -> str:
    """Return the text of a QR code."""
    return f"PARVIS:{site}:{kind}:{code}"


def read(text: str, site: str) -> Scan:
    """Read what a scanner or a person gave; every input is hostile until read here."""
    if len(text) > _LONGEST:
        return Scan(UNREADABLE)
    found = _QR.fullmatch(text.strip())
    if found:
        return Scan(found["kind"], found["code"]) if found["site"] == site else Scan(FOREIGN)
    typed = re.sub(r"[\s.·-]", "", text)
    return Scan(ANY, typed) if _TYPED.fullmatch(typed) else Scan(UNREADABLE)
