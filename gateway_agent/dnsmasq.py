# SPDX-License-Identifier: EUPL-1.2
"""Writes the configuration of dnsmasq: DHCP and DNS for guests; starts nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edge_core.errors import NetworkError
from gateway_agent import announce, garden
from gateway_agent.nft_ruleset import TABLE

if TYPE_CHECKING:
    from ipaddress import IPv6Network

    from edge_core.settings import Settings
    from edge_core.settings_sections import Zone


def require() -> None:
    """Check that dnsmasq is installed. Raises NetworkError."""
    if not shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        raise NetworkError(
            "The program dnsmasq is not installed; without it guests get no address and no names.",
            remedy="Install it: apt install dnsmasq-base.",
        )


def write(settings: Settings) -> Path:
    """Write the file, whole or not at all, and return its path."""
    path = settings.generated_dir / "dnsmasq.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings.leases_file.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    # It reads the options again as the user that it became: where that one can't come, it has to stay who it is.
    lone = _lone_user() or _closed_to_others(path.parent)
    draft.write_text(render(settings, lone_user=lone), encoding="utf-8")
    draft.replace(path)
    return path


def render(settings: Settings, *, lone_user: bool) -> str:
    """Return the file's text. `lone_user`: there is no user to change to who could do the work."""
    zones, name = settings.zones, settings.portal.hostname
    own = [",".join(str(address.ip) for address in (zone.ipv4, zone.ipv6) if address) for zone in zones]
    lines = [
        "# Written by Parvis at each start; changes here are lost.",
        *(["user=root", "group="] if lone_user else []),
        "pid-file=",
        *(f"interface={zone.interface}" for zone in zones),
        "except-interface=lo",
        "bind-dynamic",
        # DNS: only the servers of the settings; nothing of this host's own names.
        "no-resolv",
        "no-hosts",
        "no-poll",
        *(f"server={address}" for address in settings.wan.dns),
        "cache-size=10000",
        "dns-forward-max=2000",
        "domain-needed",
        "bogus-priv",
        *(f"host-record={name},{addresses}" for addresses in own),
        # Of several zones' addresses guests are told their own zone's.
        *(["localise-queries"] if len(zones) > 1 else []),
        # DHCP: no ping before each offer (it costs 3 s), refuse foreign leases at once, no addresses in the log.
        "dhcp-authoritative",
        "no-ping",
        "quiet-dhcp",
        # A phone's name ("Anne's phone") is nobody's business: neither the lease file nor DNS learns it.
        "dhcp-ignore-names",
        f"dhcp-leasefile={settings.leases_file}",
        f"dhcp-lease-max={sum(int(zone.dhcp_range[1]) - int(zone.dhcp_range[0]) + 1 for zone in zones)}",
    ]
    for zone in zones:
        lines += _leases_of(zone, alone=len(zones) == 1)
    if names := garden.names(settings):
        # Answers go into the walled garden; kept for a minute, so that a garden made anew fills again.
        sets = f"4#inet#{TABLE}#garden4,6#inet#{TABLE}#garden6"
        lines += ["max-cache-ttl=60", *(f"nftset=/{name}/{sets}" for name in names)]
    if settings.ha.peer:
        # Without the address it is silent; with it, it keeps what the other of the pair gave (read again at SIGHUP).
        lines.append(f"dhcp-hostsfile={settings.hosts_file}")
    # The portal's address comes and goes with its certificate, at SIGHUP (RFC 8910).
    lines.append(f"dhcp-optsfile={announce.options_file(settings)}")
    if sixth := [_answers_in(zone.ipv6.network, zone.lease_time) for zone in zones if zone.ipv6]:
        # Addresses come from the prefix that the advertiser tells; DHCPv6 only answers questions (RFC 8415, 18.3.6).
        lines += ["quiet-dhcp6", *sixth, "dhcp-option=option6:dns-server,[::]"]
    return "\n".join([*lines, ""])


def _leases_of(zone: Zone, *, alone: bool) -> list[str]:
    """Return the lines of a zone's DHCPv4; with several zones each option carries its zone's tag."""
    first, last = zone.dhcp_range
    tag, only = ("", "") if alone else (f"set:{zone.id},", f"tag:{zone.id},")
    return [
        f"dhcp-range={tag}{first},{last},{zone.ipv4.netmask},{zone.lease_time}s",
        f"dhcp-option={only}option:router,{zone.ipv4.ip}",
        f"dhcp-option={only}option:dns-server,{zone.ipv4.ip}",
    ]


def _answers_in(network: IPv6Network, lease_time: int) -> str:
    return f"dhcp-range={network.network_address},static,{network.prefixlen},{lease_time}s"


def _closed_to_others(folder: Path) -> bool:
    """Tell whether a folder, or one above it such as /root, lets no other user through."""
    return any(not place.stat().st_mode & 0o001 for place in (folder, *folder.absolute().parents))


def _lone_user() -> bool:
    """Tell whether this user namespace maps a single user, as `unshare -Ur` makes it (user_namespaces(7))."""
    try:
        rows = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
        return sum(int(row.split()[2]) for row in rows) == 1
    except (OSError, ValueError, IndexError):
        return False
