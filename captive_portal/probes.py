# SPDX-License-Identifier: EUPL-1.2
"""Answers the probes of operating systems, and anybody who asked for another site: a redirect to the welcome page.

302 with an absolute Location, a small body and no-store is the one answer that every detector understands; 511, 303,
308, a page in place and a relative Location each fail at least one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from flask import Response, request

from captive_portal import hosts, visit

if TYPE_CHECKING:
    from flask import Flask

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

PATHS = frozenset(
    {
        "/generate_204",
        "/gen_204",
        "/hotspot-detect.html",
        "/library/test/success.html",
        "/bag",
        "/connecttest.txt",
        "/ncsi.txt",
        "/redirect",
        "/canonical.html",
        "/success.txt",
        "/nm-check.txt",
        "/check_network_status.txt",
        "/kindle-wifi/wifistub.html",
        "/static/hotspot.txt",
    }
)
"""Paths of those probes, for a detector that was pointed at the portal itself."""

# Firefox closes its tab of the portal only when it comes to this page again.
_READ_AFTERWARDS = frozenset({"detectportal.firefox.com"})
_LONGEST_KEPT = 700  # characters of an address that a person asked for and returns to


def install(app: Flask) -> None:
    """Turn away, before any view, whoever did not ask for the portal."""

    @app.before_request
    def turn_to_portal() -> Response | None:
        settings = visit.house().settings
        header = request.environ.get("HTTP_HOST")
        if hosts.is_own(header, settings):
            return _redirect(request.host_url if hosts.split(header) else "/") if request.path in PATHS else None
        return _redirect(hosts.home(settings) + _kept(header))


def _kept(header: str | None) -> str:
    """Return the query that carries the first asked address, sealed for this device; "" where none is kept."""
    wanted = first_asked(request.method, header, request.environ.get("PATH_INFO", ""), request.query_string)
    if not wanted:
        return ""
    seal = visit.house().seal.make("return", visit.current().client.key, wanted)
    return "?" + urlencode({"to": wanted, "s": seal})


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


def _redirect(location: str) -> Response:
    body = f'<!doctype html><title>Parvis</title><p><a href="{location.replace("&", "&amp;")}">Portail WiFi</a></p>'
    return Response(body, 302, {"Location": location, "Cache-Control": "no-store"}, mimetype="text/html")
