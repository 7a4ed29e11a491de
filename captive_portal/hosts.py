# SPDX-License-Identifier: EUPL-1.2
"""Decides, from a Host header, whether somebody asked for the portal or for another site; pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_core.web import readable_host

if TYPE_CHECKING:
    from edge_core.settings import Settings

_HOST = re.compile(r"(?P<name>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\.?|\[[0-9a-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


def split(header: str | None) -> tuple[str, str] | None:
    """Return (name, port or "") of a Host header (RFC 9110, 7.2), in lower case; None where it is none."""
    found = _HOST.fullmatch((header or "").strip().lower())
    return (
        (found["name"].rstrip("."), found["port"] or "") if found and found["name"] != readable_host.NO_HOST else None
    )


def of_origin(origin: str) -> str | None:
    """Return the host of an Origin header (RFC 6454, 7) in lower case; None where it can't be read."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


@lru_cache(4)
def own(settings: Settings) -> frozenset[str]:
    """Return the names and addresses under which the portal itself is asked for."""
    addresses = {str(zone.ipv4.ip) for zone in settings.zones if zone.ipv4}
    addresses |= {f"[{zone.ipv6.ip}]" for zone in settings.zones if zone.ipv6}
    names = {settings.portal.hostname.lower(), settings.portal.bind.lower()} - {"", "0.0.0.0", "::"}  # noqa: S104
    return frozenset(_LOCAL | addresses | names)


def is_own(header: str | None, settings: Settings) -> bool:
    """Tell whether the request is for the portal; without enforcement, every request is."""
    if settings.enforcement.mode == "none":
        return True
    found = split(header)
    return found is not None and found[0] in own(settings)


def home(settings: Settings) -> str:
    """Return the portal's absolute address for people who asked for another site: plain HTTP, as probes need it."""
    name = settings.portal.hostname or (str(settings.lan.ipv4.ip) if settings.lan.ipv4 else "127.0.0.1")
    return f"http://{name}/"


def public(settings: Settings) -> str:
    """Return the portal's address as RFC 8908 tells it: HTTPS where there is a certificate."""
    secure = settings.portal.tls_certificate is not None
    return home(settings).replace("http:", "https:", 1) if secure else home(settings)
