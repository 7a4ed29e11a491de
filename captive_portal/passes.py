# SPDX-License-Identifier: EUPL-1.2
"""The pass that a browser keeps after signing in: it lets the same person in again when the provider can't be reached.

It holds a fingerprint and a date, sealed by this gateway: no name, no address. Who takes it back, or waits, has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

from captive_portal import visit

if TYPE_CHECKING:
    from werkzeug import Response

_COOKIE = "parvis_pass"
_PURPOSE = "pass"
_DAY = 86400


@dataclass(frozen=True)
class Pass:
    """Who may come in again: a fingerprint of the person, and until when (seconds since 1970)."""

    person: str
    until: float


def shown() -> Pass | None:
    """Return the pass that this browser shows, where it was sealed here and still holds."""
    house = visit.house()
    data = house.seal.open(request.cookies.get(_COOKIE, ""), _PURPOSE, house.now())
    return Pass(str(data["person"]), float(data["until"])) if data else None


def hand_out(answer: Response, person: str) -> None:
    """Give this browser a pass for `person`, for the days that the settings say."""
    house = visit.house()
    seconds = house.settings.sign_in.pass_days * _DAY
    sealed = house.seal.close(_PURPOSE, {"person": person}, house.now() + seconds)
    # Where the portal has a certificate, signing in happens there: nobody reads the pass off the air.
    secure = house.settings.portal.tls_certificate is not None
    answer.set_cookie(_COOKIE, sealed, max_age=seconds, httponly=True, samesite="Lax", secure=secure, path="/")


def take_back(answer: Response) -> None:
    """Have this browser forget its pass."""
    answer.delete_cookie(_COOKIE, path="/", httponly=True, samesite="Lax")
