# SPDX-License-Identifier: EUPL-1.2
"""Lets a form be sent only by the device that it was shown to, from the portal, not too often; needs no cookie."""

from __future__ import annotations

import json
import secrets
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import abort, request
from werkzeug.exceptions import TooManyRequests

from captive_portal import hosts, visit
from edge_core import logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from captive_portal.limits import Limiter

_log = logs.get(__name__)

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


def limit(limiter: Limiter, *, key: str | None = None, count: bool = True) -> None:
    """Refuse (429) what this device, or everybody together, does too often. With `count` this time counts."""
    house = visit.house()
    # Counted under a token, so that the memory of this process holds no list of devices.
    whose = house.seal.make("limit", visit.current().client.key if key is None else key)
    seconds = (limiter.take if count else limiter.wait)(whose, house.now())
    if seconds:
        _log.info("limited", seconds=ceil(seconds))
        raise TooManyRequests(retry_after=ceil(seconds))


def check() -> None:
    """Refuse (403) a form that came from another site or was made for another device, and (429) too many of them."""
    limit(visit.house().limits.forms)
    origin = request.headers.get("Origin", _OPAQUE)
    foreign = origin != _OPAQUE and hosts.of_origin(origin) != request.environ.get("HTTP_HOST", "").lower()
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
