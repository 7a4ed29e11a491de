# SPDX-License-Identifier: EUPL-1.2
"""What the corner's browser may do, from the signed list of administrations: its policies and its proxy's rules; pure.

The policies are the kiosk's own with other addresses, and what the open Internet needs closed besides. They stop
navigations; the proxy stops every connection, for the browser has no other way out (systemd/parvis-corner.service).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edge_core.store.replica import Record, Replica

COLLECTION = "administrations"
MINUTES = 30
"""A visitor's time in the corner at most; parvis-corner.service ends it a little later by itself."""
PROXY = ("127.0.0.77", 8888)
"""Where the proxy listens: an address of its own, so that a unit can be let reach it and nothing else on loopback."""
_HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_ADDRESS = re.compile(r"https://[!#-;=?-\[\]_a-z~]{1,300}", re.IGNORECASE)  # RFC 3986's characters alone
_STORE = "update_url:https://clients2.google.com/service/update2/crx"
_OWN: dict[str, Any] = {
    "ForceEphemeralProfiles": True,
    "IncognitoModeAvailability": 1,
    "SavingBrowserHistoryDisabled": True,
    "SyncDisabled": True,
    "BackgroundModeEnabled": False,
    "NetworkPredictionOptions": 2,
    "QuicAllowed": False,
    "WebRtcIPHandling": "disable_non_proxied_udp",
    "DnsOverHttpsMode": "off",
    "SSLErrorOverrideAllowed": False,
    "AlwaysOpenPdfExternally": True,
    "SpellCheckServiceEnabled": False,
    "SafeBrowsingProtectionLevel": 0,
    "ComponentUpdatesEnabled": False,
}


def administrations(content: Replica) -> list[Record]:
    """Return the sites that make sense, by their order: with an HTTPS address, and hosts that hold that of it."""
    return [record for record in content.list(COLLECTION) if _makes_sense(record)]


def _makes_sense(record: Record) -> bool:
    hosts, web = record.get("hosts"), record.get("web")
    if not isinstance(web, str) or not _ADDRESS.fullmatch(web) or not isinstance(hosts, list):
        return False
    try:
        parts = urlsplit(web)
        good = parts.hostname in hosts and parts.port in {None, 443} and parts.username is None
    except ValueError:
        return False
    return good and all(isinstance(host, str) and _HOST.fullmatch(host) for host in hosts)


def hosts(sites: Iterable[Record]) -> list[str]:
    """Return every host of these sites once, in order of the alphabet."""
    return sorted({host for site in sites for host in site["hosts"]})


def policies(kiosks: dict[str, Any], names: Iterable[str], bar: str, proxy: tuple[str, int] = PROXY) -> dict[str, Any]:
    """Return the browser's managed policies, from `kiosks`, those of the kiosk; `bar` is the extension's id."""
    names = list(names)
    # A list that blocks every extension blocks also what is given by a flag, our bar; the store's way in stays closed.
    return {
        **{name: value for name, value in kiosks.items() if name != "ExtensionInstallBlocklist"},
        **_OWN,
        "URLAllowlist": [f"https://{name}:443" for name in names] + [f"chrome-extension://{bar}"],
        "ExtensionSettings": {_STORE: {"installation_mode": "blocked"}},
        "ProxySettings": {
            "ProxyMode": "fixed_servers",
            "ProxyServer": f"http://{proxy[0]}:{proxy[1]}",
            "ProxyBypassList": "<-loopback>",  # not even loopback is asked directly
        },
    }


def proxy_filter(names: Iterable[str]) -> str:
    """Return tinyproxy's filter: each name, and all names below it, as basic regular expressions."""
    escaped = [name.replace(".", r"\.") for name in names]
    return "".join(f"^{name}$\n\\.{name}$\n" for name in escaped)


def proxy_configuration(filter_file: Path, proxy: tuple[str, int] = PROXY) -> str:
    """Return tinyproxy.conf: what the filter doesn't name is refused, tunnels lead to port 443, nothing is noted."""
    return (
        f"Listen {proxy[0]}\nPort {proxy[1]}\nTimeout 60\nMaxClients 100\nLogLevel Critical\nDisableViaHeader Yes\n"
        f'Allow 127.0.0.0/8\nConnectPort 443\nFilter "{filter_file}"\nFilterURLs Off\nFilterDefaultDeny Yes\n'
    )


def extension_id(folder: Path) -> str:
    """Return the id that Chromium gives to an unpacked extension: the SHA-256 of its folder's path, in a to p."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)
