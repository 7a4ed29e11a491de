# SPDX-License-Identifier: EUPL-1.2
"""Where somebody who asked for another site is led: the redirect's address and body; pure.

302 with an absolute Location, a small body and no-store is the one answer that every detector understands; 511, 303,
308, a page in place and a relative Location each fail at least one.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from captive_portal import hosts

if TYPE_CHECKING:
    from captive_portal.seal import Seal
    from edge_core.settings import Settings

DETECTORS = {
    "captive.apple.com": "Apple",
    "www.apple.com": "Apple",
    "www.appleiphonecell.com": "Apple",
    "www.itools.info": "Apple",
    "www.ibook.info": "Apple",
    "www.airport.us": "Apple",
    "www.thinkdifferent.us": "Apple",
    "connectivitycheck.gstatic.com": "Android",
    "connectivitycheck.android.com": "Android",
    "clients1.google.com": "Android",
    "clients3.google.com": "Android",
    "clients4.google.com": "Chromium",
    "www.gstatic.com": "Chromium",
    "play.googleapis.com": "Android",
    "connect.rom.miui.com": "Android",
    "connectivitycheck.platform.hicloud.com": "Android",
    "detectportal.firefox.com": "Firefox",
    "nmcheck.gnome.org": "NetworkManager",
    "network-test.debian.org": "NetworkManager",
    "connectivity-check.ubuntu.com": "NetworkManager",
    "fedoraproject.org": "NetworkManager",
    "ping.archlinux.org": "NetworkManager",
    "networkcheck.kde.org": "KDE",
    "www.msftconnecttest.com": "Windows",
    "ipv6.msftconnecttest.com": "Windows",
    "www.msftncsi.com": "Windows",
    "spectrum.s3.amazonaws.com": "Fire OS",
    "detectportal.brave-http-only.com": "Brave",
}
"""Hosts that devices ask to see whether they are online; nobody wants to read them afterwards."""

# Firefox closes its tab of the portal only when it comes to this page again.
_READ_AFTERWARDS = frozenset({"detectportal.firefox.com"})
_LONGEST_KEPT = 700  # characters of an address that a person asked for and returns to


def location(settings: Settings, seal: Seal, device: str, wanted: str = "") -> str:
    """Return the welcome page's absolute address; `wanted`, sealed for `device`, is where it leads back to."""
    home = hosts.home(settings)
    return f"{home}?{urlencode({'to': wanted, 's': seal.make('return', device, wanted)})}" if wanted else home


def first_asked(method: str, header: str | None, path: str, query: bytes) -> str:
    """Return the address that a person asked for and may return to: plain, short, not a detector's; else ""."""
    host = hosts.split(header)
    if method != "GET" or host is None or (host[0] in DETECTORS and host[0] not in _READ_AFTERWARDS):
        return ""
    port = f":{host[1]}" if host[1] not in {"", "80"} else ""
    raw = quote(path.encode("latin-1", "replace"), safe="/%:@!$&'()*+,;=~-._")
    asked = quote(query, safe="/%:@!$&'()*+,;=~-._?")
    url = f"http://{host[0]}{port}{raw or '/'}" + (f"?{asked}" if asked else "")
    return url if len(url) <= _LONGEST_KEPT else ""


def body(target: str) -> str:
    """Return the page of a redirect, for whoever doesn't follow it by itself."""
    return f'<!doctype html><title>Parvis</title><p><a href="{escape(target)}">Portail WiFi</a></p>'
