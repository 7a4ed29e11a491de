# SPDX-License-Identifier: EUPL-1.2
"""How operating systems decide whether there is a portal: their decision tables as small clients.

Each asks the real gateway inside a guest's namespace and answers "portal", "online", "partial" or "none". The systems
themselves can't run here; what decides is written down as their source or their makers' documents have it.
"""

import json
import socket
import ssl

from .conftest import inside
from .detecting import NAME, everything


class Device:
    """A guest with one detector's eyes: where names lead to, and whom TLS trusts."""

    def __init__(self, zone, guest, family):
        self.zone, self.guest = zone, guest
        self.web, self.portal = (zone.WEB4, zone.V4) if family == 4 else (zone.WEB6, zone.V6)

    def get(self, host, path, *, secure=False):
        """Return (status, headers in lower case, body); status 0 where there was no answer."""
        address = self.portal if host == NAME else self.web
        question = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        try:
            with inside(self.guest.name):
                plain = socket.create_connection((address, 443 if secure else 80), 3)
            with plain:
                if secure:
                    trust = ssl.create_default_context(cafile=str(self.zone.authority.certificate_file))
                    plain = trust.wrap_socket(plain, server_hostname=host)
                plain.sendall(question)
                head, _, body = everything(plain).partition(b"\r\n\r\n")
                plain.close()
        except OSError:
            return 0, {}, b""
        first, *rest = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        return int(first.split()[1]), fields, body

    def api(self):
        """Return what the captive portal API says; None where it can't be had or is not as RFC 8908 wants it."""
        status, fields, body = self.get(NAME, "/api/captive", secure=True)
        if status != 200 or fields.get("content-type") != "application/captive+json" or len(body) > 4096:
            return None
        state = json.loads(body)
        return state if isinstance(state.get("captive"), bool) else None


def _android_probe(device, host, path, *, secure=False):
    """AOSP NetworkStack, CaptivePortalProbeResult and NetworkMonitor.sendHttpProbe: redirects are not followed.

    204 is success; 200 without (or with at most 4 bytes of) content is failure; other 200 to 399 is a portal.
    """
    status, fields, body = device.get(host, path, secure=secure)
    if status == 204:
        return "success"
    if status == 200 and int(fields.get("content-length", len(body))) <= 4:
        return "failed"
    return "portal" if 200 <= status <= 399 else "failed"


def android(device):
    """AOSP NetworkStack, NetworkMonitor.isCaptivePortal: HTTPS and HTTP probes side by side, then fallbacks."""
    https = _android_probe(device, "www.google.com", "/generate_204", secure=True)
    http = _android_probe(device, "connectivitycheck.gstatic.com", "/generate_204")
    if "portal" in (https, http):
        return "portal"
    if https == "success":
        return "online"
    fallback = _android_probe(device, "www.google.com", "/gen_204")
    if fallback == "portal":
        return "portal"
    return "partial" if "success" in (http, fallback) else "none"


def android_with_api(device):
    """AOSP NetworkStack, NetworkMonitor.sendCapportApiProbe (Android 11): the API alone may say portal.

    An API that says not captive, or that can't be reached, is followed by the probes.
    """
    state = device.api()
    if state and state["captive"] and state.get("user-portal-url", "").startswith("https://"):
        return "portal"
    return android(device)


def apple(device):
    """Apple, "Captive network" and CaptiveNetworkSupport as observed: the page must say Success and nothing else.

    A redirect or any other page opens the sheet; the sheet may be closed when the same page comes.
    """
    status, _, body = device.get("captive.apple.com", "/hotspot-detect.html")
    if status == 200 and b"<TITLE>Success</TITLE>" in body and b"<BODY>Success</BODY>" in body:
        return "online"
    return "portal" if status else "none"


def apple_with_api(device):
    """Apple, "How to modernize your captive network" (2020): the API's word is taken, and its page is opened."""
    state = device.api()
    if state is None:
        return apple(device)
    return "portal" if state["captive"] and state.get("user-portal-url") else apple(device)


def windows(device):
    """Microsoft, "Network Connectivity Status Indicator (NCSI) overview": the exact text, or else a sign-in page."""
    status, _, body = device.get("www.msftconnecttest.com", "/connecttest.txt")
    if status == 200 and body == b"Microsoft Connect Test":
        return "online"
    return "portal" if status else "none"


def chromeos(device):
    """ChromiumOS platform2, shill/network/portal_detector.cc: a redirect with a Location is a portal for certain.

    HTTP 204 with HTTPS 204 is the Internet; HTTP 200 with content is suspected; HTTP 204 alone is no connectivity yet.
    """
    status, fields, body = device.get("www.gstatic.com", "/generate_204")
    secure = device.get("www.google.com", "/generate_204", secure=True)[0]
    if status in {301, 302, 303, 307, 308} and fields.get("location", "").startswith(("http://", "https://")):
        return "portal"
    if status == 200 and body:
        return "portal"
    return "online" if (status, secure) == (204, 204) else "partial" if 204 in (status, secure) else "none"


def firefox(device):
    """Mozilla, toolkit/components/captivedetect: another content than the canonical one is a portal."""
    status, _, body = device.get("detectportal.firefox.com", "/canonical.html")
    if (
        status == 200
        and body.strip()
        == b'<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
    ):
        return "online"
    return "portal" if status else "none"


ALL = (android, android_with_api, apple, apple_with_api, windows, chromeos, firefox)
