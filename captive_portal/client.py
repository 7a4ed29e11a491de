# SPDX-License-Identifier: EUPL-1.2
"""Finds out which device asks: from its address to its MAC, as the kernel's neighbour table has it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from edge_core import logs, neighbour
from edge_core.errors import ParvisError
from edge_core.settings_zones import FIRST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_core.settings import Settings
    from edge_core.settings_sections import Zone

_log = logs.get(__name__)


@dataclass(frozen=True)
class Client:
    """A device. `mac` is None where it isn't on a guests' network: it may read, and ask for nothing."""

    address: IPv4Address | IPv6Address | None
    mac: str | None
    zone: str = FIRST

    @property
    def key(self) -> str:
        """What tokens are bound to: the device, or for others their address."""
        return self.mac or str(self.address)


def identify(remote: str | None, settings: Settings) -> Client:
    """Return the device behind a peer address. Headers that claim another address are never read."""
    address = _address(remote)
    if address is None:
        return Client(None, None)
    if settings.enforcement.mode == "none":
        return Client(address, stand_in(address))
    if address.is_loopback:
        return Client(address, None)
    try:
        asked = ((neighbour.mac_of(address, zone.interface), zone.id) for zone in _where(address, settings))
        found = [Client(address, mac, zone) for mac, zone in asked if mac]
    except (OSError, ParvisError) as error:
        _log.warning("neighbour_unknown", reason=type(error).__name__)
        return Client(address, None)
    # A link-local address may be had in two zones at once, to pass for somebody in the other: then it is nobody's.
    return found[0] if len(found) == 1 else Client(address, None)


def _where(address: IPv4Address | IPv6Address, settings: Settings) -> Iterable[Zone]:
    """Return the zones in which an address may be: the one of its network; a link-local one tells nothing."""
    if len(settings.zones) == 1 or address.is_link_local:
        return settings.zones
    networks = ((zone, zone.ipv4 if address.version == 4 else zone.ipv6) for zone in settings.zones)
    return [zone for zone, own in networks if own and address in own.network]


def _address(remote: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((remote or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def stand_in(address: IPv4Address | IPv6Address) -> str:
    """Return a locally administered MAC made from an address, for demonstrations without a guests' network."""
    digest = hashlib.sha256(address.packed).digest()[:5]
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest))
