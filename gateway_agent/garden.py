# SPDX-License-Identifier: EUPL-1.2
"""The walled garden, what guests reach before they are online: which of its hosts are addresses, which are names."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_core.settings import Settings

Network = IPv4Network | IPv6Network


def networks(settings: Settings, version: int) -> list[Network]:
    """Return the addresses and networks of one IP version, those that lie in others left out (nft refuses overlaps)."""
    found = [network for host in settings.walled_garden.hosts if (network := _network(host)) is not None]
    same = [network for network in found if network.version == version]
    return sorted(
        {one for one in same if not any(one != other and one.subnet_of(other) for other in same)},  # type: ignore[arg-type]
        key=str,
    )


def names(settings: Settings) -> list[str]:
    """Return the names; each stands for all names below it too."""
    return sorted({host.removeprefix("*.") for host in settings.walled_garden.hosts if _network(host) is None})


def _network(host: str) -> Network | None:
    try:
        return ip_network(host)
    except ValueError:
        return None
