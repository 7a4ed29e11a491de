# SPDX-License-Identifier: EUPL-1.2
"""Lets a form be sent only by the device that it was shown to, from a page of the portal; needs no cookie."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import abort, request

from captive_portal import hosts, visit

_OPAQUE = "null"  # some captive sheets hide where they are; their token still has to be right


def token() -> str:
    """Return the hidden value of this device's forms."""
    return visit.house().seal.make("form", visit.current().client.key)


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
