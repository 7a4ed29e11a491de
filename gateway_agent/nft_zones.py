# SPDX-License-Identifier: EUPL-1.2
"""The words of the ruleset that depend on the zones: one zone is named plainly, several by sets and maps; pure.

A map from the interface to an address is one look-up however many zones there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Interface, IPv6Interface

    from edge_core.settings import Settings
    from edge_core.settings_sections import Zone


def lines(settings: Settings) -> dict[str, str]:
    """Return the parts of the template by their names."""
    several = len(settings.zones) > 1
    return {
        "lans": _one_or_set(f'"{zone.interface}"' for zone in settings.zones),
        "to4": arrived(settings, 4),
        "own4": own(settings, 4),
        "net4": networks(settings, 4),
        "neighbours": _neighbours(settings),
        "recheck6": _recheck6(settings),
        # Who has no session here; one of another zone needs no limit either, as it lies with that session.
        "stranger": "ether saddr != @grant6" + (" ether saddr . iifname != @zone6" if several else ""),
    }


def own(settings: Settings, version: int) -> str:
    """Return the gateway's own addresses on the guests' side; "" where it has none of that IP version."""
    return _one_or_set(str(address.ip) for _, address in _addresses(settings, version))


def networks(settings: Settings, version: int) -> str:
    """Return the guests' networks; "" where there is none of that IP version."""
    return _one_or_set(str(address.network) for _, address in _addresses(settings, version))


def arrived(settings: Settings, version: int) -> str:
    """Return the gateway's address in the zone from which a packet comes."""
    found = list(_addresses(settings, version))
    if len(settings.zones) == 1:
        return str(found[0][1].ip)
    pairs = (f'"{zone.interface}" : {address.ip}' for zone, address in found)
    return f"iifname map {{ {', '.join(pairs)} }}"


def grant6(settings: Settings) -> str:
    """Return the rules that give an IPv6 flow its grant, by the zone in which its device is."""
    first, *others = settings.zones
    rules = []
    if first.ipv6:
        here = f'iifname "{first.interface}" ' if others else ""
        rules.append(f"  {here}ip6 saddr {first.ipv6.network} ct mark set ether saddr map @grant6")
    rules += [
        f'  iifname "{zone.interface}" ip6 saddr {zone.ipv6.network} ct mark set ether saddr . iifname map @zone6'
        for zone in others
        if zone.ipv6
    ]
    return "\n".join(rules)


def _recheck6(settings: Settings) -> str:
    first, *others = settings.zones
    end = "counter name spoofed drop"
    rules = [f'  iifname "{first.interface}" meta nfproto ipv6 ether saddr != @grant6 {end}']
    if others:
        names = _one_or_set(f'"{zone.interface}"' for zone in others)
        rules.append(f"  iifname {names} meta nfproto ipv6 ether saddr . iifname != @zone6 {end}")
    return "\n".join(rules)


def _neighbours(settings: Settings) -> str:
    """Return the rule for guests who may reach each other: those of a zone without isolation, and between zones."""
    pairs = [
        (one.interface, two.interface)
        for one in settings.zones
        for two in settings.zones
        if (not one.isolation if one == two else settings.enforcement.between_zones)
    ]
    if not pairs:
        return ""
    if len(settings.zones) == 1:
        return f'  iifname "{pairs[0][0]}" oifname "{pairs[0][1]}" accept'
    named = (f'"{one}" . "{two}"' for one, two in pairs)
    return f"  iifname . oifname {{ {', '.join(named)} }} accept"


def _addresses(settings: Settings, version: int) -> Iterable[tuple[Zone, IPv4Interface | IPv6Interface]]:
    for zone in settings.zones:
        if address := zone.ipv4 if version == 4 else zone.ipv6:
            yield zone, address


def _one_or_set(words: Iterable[str]) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{{ {', '.join(found)} }}" if found else ""
