# SPDX-License-Identifier: EUPL-1.2
"""Which parts of this device answer now: the agent, the portal's pages, the kiosk's pages. Asks, changes nothing."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from edge_core import control, roles

if TYPE_CHECKING:
    from edge_core.settings import Settings

_PATIENCE = 2.0  # seconds for each question
_BROKEN = 500


def answering(settings: Settings) -> frozenset[str]:
    """Return those of "agent", "portal", "kiosk" that answer a question of their own."""
    parts = {"kiosk": _page(settings.kiosk.bind, settings.kiosk.port)}
    if settings.lan.interface or settings.enforcement.mode == "none":
        parts["portal"] = portal(settings)
    if settings.lan.interface and settings.enforcement.mode == "nftables":
        answer = control.ask(settings.agent_socket, {"op": "status"}, _PATIENCE)
        parts["agent"] = bool(answer and answer.get("ok"))
    return frozenset(name for name, well in parts.items() if well)


def portal(settings: Settings) -> bool:
    """Tell whether the portal's pages answer; of a pair at its own address, since the other may have the guests'."""
    addresses = roles.portal_addresses(settings)[: 1 if settings.ha.peer else None]
    return any(_page(each, settings.portal.port) for each in addresses)


def _page(address: str, port: int) -> bool:
    """Tell whether a web application answers without an error of its own."""
    link = http.client.HTTPConnection(address, port, timeout=_PATIENCE)
    try:
        link.request("GET", "/health")
        return link.getresponse().status < _BROKEN
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
