# SPDX-License-Identifier: EUPL-1.2
"""Who is in which zone: the neighbours of each, of which those with a session or a lease are held."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from gateway_agent.neighbours import Neighbours

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edge_core.settings import Settings
    from edge_core.settings_sections import Zone
    from edge_core.store.followed import Permit


class Places:
    """All zones of this gateway, with the neighbours of each."""

    def __init__(self, settings: Settings) -> None:
        """Read the neighbours of each interface; raises OSError where one is missing."""
        self._zones = {zone.id: (zone, Neighbours(zone.interface)) for zone in settings.zones}

    def close(self) -> None:
        """Close the sockets."""
        for neighbours in self.neighbours:
            neighbours.close()

    @property
    def neighbours(self) -> list[Neighbours]:
        """The neighbours of each zone."""
        return [neighbours for _, neighbours in self._zones.values()]

    @property
    def refused(self) -> int:
        """Neighbours that found no room."""
        return sum(neighbours.refused for neighbours in self.neighbours)

    def hold(self, active: Collection[Permit], leased: Mapping[str, str]) -> dict[str, str]:
        """Pin who has a session or a lease (address by MAC); return the zone of each MAC that is here."""
        owners = {socket.inet_aton(address): mac for mac, address in leased.items()}
        here: dict[str, str] = {}
        for zone, neighbours in self._zones.values():
            granted = {grant.mac for grant in active if grant.zone == zone.id}
            neighbours.hold(granted, _within(owners, zone) if len(self._zones) > 1 else owners)
            here |= dict.fromkeys(neighbours.present(), zone.id)
        return here

    def present(self) -> set[str]:
        """Return the MACs that are here now, in whatever zone."""
        return set().union(*(neighbours.present() for neighbours in self.neighbours))

    def probe(self, first: Collection[str] = ()) -> None:
        """Ask the kernel to try some silent devices in each zone, the MACs of `first` before others."""
        for neighbours in self.neighbours:
            neighbours.probe(first)

    def counts(self, active: Collection[Permit]) -> dict[str, dict[str, int]]:
        """Return by zone how many guests are there, how many of them online, and how many sessions hold there."""
        found = {}
        for name, (_, neighbours) in self._zones.items():
            present = neighbours.present()
            sessions = [grant for grant in active if grant.zone == name]
            online = sum(1 for grant in sessions if grant.mac in present)
            found[name] = {"guests": len(present), "online": online, "grants": len(sessions)}
        return found


def _within(owners: Mapping[bytes, str], zone: Zone) -> dict[bytes, str]:
    network, mask = int(zone.ipv4.network.network_address), int(zone.ipv4.netmask)
    return {address: mac for address, mac in owners.items() if int.from_bytes(address, "big") & mask == network}
