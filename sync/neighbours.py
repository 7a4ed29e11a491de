# SPDX-License-Identifier: EUPL-1.2
"""Who on this site shares content: named by a setting, or heard on the site's broker; pure but for its memory.

What a device says on `live/content` is a hint. It is believed as far as a private address and a port; every file that
comes from there is verified.
"""

from __future__ import annotations

import ipaddress
import json
import threading
from urllib.parse import urlsplit

_MOST = 4
_LASTS = 900.0  # seconds without a word after which a neighbour is forgotten


class Neighbours:
    """The neighbours of now. `fixed` are always asked first."""

    def __init__(self, fixed: tuple[str, ...] = ()) -> None:
        """Begin with those that the settings name."""
        self._fixed = fixed
        self._heard: dict[str, tuple[str, float]] = {}  # by device, so that one can't crowd out the others
        self._lock = threading.Lock()

    def hear(self, device: str, payload: bytes, now: float) -> bool:
        """Take in what a device said, in place of what it said before; False where it makes no sense."""
        url = offered(payload)
        if url is None:
            return False
        with self._lock:
            self._heard = {name: heard for name, heard in self._heard.items() if now - heard[1] < _LASTS}
            if device in self._heard or len(self._heard) < _MOST:
                self._heard[device] = url, now
        return True

    def urls(self, now: float) -> tuple[str, ...]:
        """Return where to ask, the surest first."""
        with self._lock:
            heard = [url for url, at in sorted(self._heard.values(), key=lambda pair: -pair[1]) if now - at < _LASTS]
        return tuple(dict.fromkeys((*self._fixed, *heard)))


def offer(host: str, port: int) -> bytes:
    """Return what this device says on `live/content`."""
    shown = f"[{host}]" if ":" in host else host
    return json.dumps({"url": f"http://{shown}:{port}"}, separators=(",", ":")).encode()


def offered(payload: bytes) -> str | None:
    """Return the address in an offer, or None: only http, a private address and a port."""
    try:
        url = json.loads(payload)["url"]
        parts = urlsplit(url)
        address = ipaddress.ip_address(parts.hostname or "")
        port = parts.port
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return None
    if parts.scheme != "http" or not port or parts.path or parts.query or parts.username is not None:
        return None
    if not address.is_private or address.is_multicast or address.is_unspecified:
        return None
    return str(url)
