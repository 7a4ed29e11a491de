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
    from edge_core.settings import Settings


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
    lan, name = settings.lan, settings.portal.hostname
    first, last = lan.dhcp_range
    own = [str(address.ip) for address in (lan.ipv4, lan.ipv6) if address]
    lines = [
        "# Written by Parvis at each start; changes here are lost.",
        *(["user=root", "group="] if lone_user else []),
        "pid-file=",
        f"interface={lan.interface}",
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
        f"host-record={name},{','.join(own)}",
        # DHCP: no ping before each offer (it costs 3 s), refuse foreign leases at once, no addresses in the log.
        "dhcp-authoritative",
        "no-ping",
        "quiet-dhcp",
        # A phone's name ("Anne's phone") is nobody's business: neither the lease file nor DNS learns it.
        "dhcp-ignore-names",
        f"dhcp-leasefile={settings.leases_file}",
        f"dhcp-lease-max={int(last) - int(first) + 1}",
        f"dhcp-range={first},{last},{lan.ipv4.netmask},{lan.lease_time}s",
        f"dhcp-option=option:router,{lan.ipv4.ip}",
        f"dhcp-option=option:dns-server,{lan.ipv4.ip}",
    ]
    if names := garden.names(settings):
        # Answers go into the walled garden; kept for a minute, so that a garden made anew fills again.
        sets = f"4#inet#{TABLE}#garden4,6#inet#{TABLE}#garden6"
        lines += ["max-cache-ttl=60", *(f"nftset=/{name}/{sets}" for name in names)]
    # The portal's address comes and goes with its certificate, at SIGHUP (RFC 8910).
    lines.append(f"dhcp-optsfile={announce.options_file(settings)}")
    if lan.ipv6:
        # Addresses come from the prefix that the advertiser tells; DHCPv6 only answers questions (RFC 8415, 18.3.6).
        network = lan.ipv6.network
        lines += [
            "quiet-dhcp6",
            f"dhcp-range={network.network_address},static,{network.prefixlen},{lan.lease_time}s",
            "dhcp-option=option6:dns-server,[::]",
        ]
    return "\n".join([*lines, ""])


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
