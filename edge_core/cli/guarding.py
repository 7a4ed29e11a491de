# SPDX-License-Identifier: EUPL-1.2
"""What a gateway tells its guests, what it refused them, and who among them plays the gateway; for `parvis status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_core import clock, control
from edge_core.certificate import judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_core.settings import Settings

_TABLES = ("arp_cache", "ndisc_cache")
_FRONT = ("malformed", "too_slow", "no_handshake", "refused_guest_limit", "refused_overall_limit")
"""What the front counts of connections that it did not serve."""


def gather(settings: Settings, agent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts; `agent` is the agent's own answer. What nobody answers for is left out or empty."""
    advertiser = control.ask(settings.advertiser_socket, {"op": "status"}) or {}
    front = control.ask(settings.front_socket, {"op": "status"}) or {}
    verdict = judge(settings.portal.tls_certificate, settings.portal.hostname, clock.now())
    refused: dict[str, int] = {
        **agent.get("dropped", {}),
        "requests_to_agent": agent.get("refused", 0),
        **{f"portal_{name.removeprefix('refused_')}": front.get(name, 0) for name in _FRONT},
        "solicitations": advertiser.get("refused", 0),
        **{f"rogue_{kind}_packets": count for kind, count in advertiser.get("rogue_packets", {}).items()},
        "neighbours_without_room": sum(_overflows(Path("/proc/net/stat") / name) for name in _TABLES),
    }
    return {
        "announced": advertiser.get("announced", ""),
        "certificate": verdict.reason,
        "active": advertiser.get("active"),
        "redirected": front.get("redirected", 0),
        "refused": refused,
        "rogues": advertiser.get("rogues", []),
    }


def _overflows(path: Path) -> int:
    """Return how often the kernel's neighbour table had no room (table_fulls, one row for each processor)."""
    try:
        head, *rows = path.read_text(encoding="ascii").splitlines()
        column = head.split().index("table_fulls")
        return sum(int(row.split()[column], 16) for row in rows)
    except (OSError, ValueError, IndexError):
        return 0
