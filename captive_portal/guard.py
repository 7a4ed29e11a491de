# SPDX-License-Identifier: EUPL-1.2
"""Lets a form be sent only by the device that it was shown to, from a page of the portal; needs no cookie."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import abort, request

from captive_portal import hosts, visit

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPAQUE = "null"  # some captive sheets hide where they are; their token still has to be right


def token() -> str:
    """Return the hidden value of this device's forms."""
    return visit.house().seal.make("form", visit.current().client.key)


def once() -> str:
    """Return the hidden value that tells one showing of a form from the next."""
    return secrets.token_urlsafe(12)


def filled_in(subject: str, answers: Mapping[str, str]) -> str | None:
    """Return the name of this filled-in form, the same when it is sent twice; None where it lacks its `once`.

    The answers belong to it: who goes back and changes them sends another form.
    """
    shown = request.form.get("once", "")
    said = json.dumps(answers, sort_keys=True)
    return visit.house().seal.make("once", visit.current().client.key, subject, shown, said) if shown else None


def check() -> None:
    """Refuse (403) a form that came from another site, or that was made for another device."""
    origin = request.headers.get("Origin", _OPAQUE)
    foreign = origin != _OPAQUE and urlsplit(origin).netloc.lower() != request.environ.get("HTTP_HOST", "").lower()
    if foreign or request.headers.get("Sec-Fetch-Site") == "cross-site":
        abort(403)
    if not visit.house().seal.check(request.form.get("token", ""), "form", visit.current().client.key):
        abort(403)


def return_address() -> str:
    """Return the first asked address that this request carries, if it was sealed here for this device; else ""."""
    wanted, seal = request.values.get("to", ""), request.values.get("s", "")
    sealed = wanted and visit.house().seal.check(seal, "return", visit.current().client.key, wanted)
    return wanted if sealed and _is_web(wanted) else ""


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and hosts.split(parts.netloc) is not None and address.isprintable()
