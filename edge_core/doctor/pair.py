# SPDX-License-Identifier: EUPL-1.2
"""The checks of a pair of gateways: which of the two is active, how fit this one is, whether it sees the other."""

from __future__ import annotations

import shutil
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from edge_core import control, gateways_heard, neighbour
from edge_core.doctor.finding import Finding

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from edge_core.settings import Settings

_NAME = "pair"
_DISCARD = 9
_GUIDE = "See docs/guides/gateways.md."


def checks(settings: Settings) -> list[Finding]:
    """Return what is to be said of the pair; nothing where this gateway stands alone."""
    peer = settings.ha.peer
    if peer is None:
        return []
    if not shutil.which("keepalived"):
        return [Finding(_NAME, "failed", "keepalived is not installed", "apt install keepalived")]
    return [_role(settings), _fitness(settings), _peer(settings, peer), *_told(settings)]


def _role(settings: Settings) -> Finding:
    answer = control.ask(settings.advertiser_socket, {"op": "status"}) or {}
    if "active" not in answer:
        return Finding(
            _NAME,
            "failed",
            "the advertiser doesn't say who is active",
            "Start `parvis run gateway` (or parvis.target).",
        )
    addresses = ", ".join(str(zone.ipv4.ip) for zone in settings.zones)
    if answer["active"]:
        return Finding(_NAME, "ok", f"this gateway is the active one: it has {addresses}")
    return Finding(_NAME, "ok", f"this gateway stands by: the other has {addresses}")


def _fitness(settings: Settings) -> Finding:
    try:
        weight = int((settings.run_dir / "ha-weight").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return Finding(
            _NAME, "failed", "nobody says how fit this gateway is", "Start `parvis run gateway` (or parvis.target)."
        )
    if weight == 0:
        return Finding(_NAME, "ok", "it is fit: agent and portal answer")
    remedy = "The other takes over where it is fitter. See the checks of agent, portal and uplink."
    return Finding(_NAME, "warning", f"it is less fit ({weight}): agent, portal or uplink is away", remedy)


def _peer(settings: Settings, peer: IPv4Address) -> Finding:
    """Ask for the peer's MAC by sending it something: it answers that whether it is active or not."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        asking.connect((str(peer), _DISCARD))
        asking.send(b"\0")
        asking.recv(1)
    if neighbour.mac_of(peer, settings.ha.interface):
        return Finding(_NAME, "ok", f"{peer} is there, on {settings.ha.interface}")
    remedy = f"Is it up, and the link between the two? {_GUIDE}"
    return Finding(_NAME, "failed", f"{peer} is not seen on {settings.ha.interface}: nobody would take over", remedy)


def _told(settings: Settings) -> list[Finding]:
    if gateways_heard.read(settings):
        return []
    remedy = f"Without the site's broker the other knows no session of ours. {_GUIDE}"
    return [Finding(_NAME, "failed", "the two don't hear each other over the site's broker", remedy)]
