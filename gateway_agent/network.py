# SPDX-License-Identifier: EUPL-1.2
"""Addresses, links and kernel settings of the gateway: makes them right and takes them back."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import contextmanager, suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_core import logs, netlink, settings_zones
from edge_core.errors import NetworkError
from edge_core.netlink import attribute
from gateway_agent import changes as noted
from gateway_agent import isolation, links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_core.settings import Settings
    from edge_core.settings_sections import Zone
    from gateway_agent.changes import Changes

_log = logs.get(__name__)
_SYSCTL = Path("/proc/sys")
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 16, 18, 20, 21, 22  # RTM_*
_IFINFO = struct.Struct("=BBHiII")  # family, padding, type, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_LOCAL_ADDRESS, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL
_LINK_ADDRESS = 1  # IFLA_ADDRESS
_UP, _NO_DUPLICATE_CHECK = 0x1, 0x02  # IFF_UP, IFA_F_NODAD: the portal binds to it at once
_ENOUGH_FLOWS = 262144

Interface = IPv4Interface | IPv6Interface


class Sysctl(NamedTuple):
    """A kernel setting: its path below /proc/sys, its value, and whether a gateway is none without it."""

    path: str
    value: str
    essential: bool = False


def sysctls(settings: Settings) -> list[Sysctl]:
    """Return the kernel settings that a gateway needs, forwarding last: the rules are there before it."""
    wanted = [
        # Bytes of each flow; and events for all flows, or those born while the agent is down would end unheard.
        Sysctl("net/netfilter/nf_conntrack_acct", "1"),
        Sysctl("net/netfilter/nf_conntrack_events", "1"),
    ]
    if settings.ha.peer:
        # The portal listens on the pair's addresses also where the other has them.
        wanted += [Sysctl(f"net/ipv{version}/ip_nonlocal_bind", "1", essential=True) for version in (4, 6)]
    for zone in settings.zones:
        wanted += _of_guests(zone)
    if any(zone.ipv6 for zone in settings.zones):
        wanted += [
            # With forwarding on, 1 would stop listening to the provider's router.
            Sysctl(f"net/ipv6/conf/{settings.wan.interface}/accept_ra", "2"),
            Sysctl("net/ipv6/conf/all/forwarding", "1", essential=True),
        ]
    return [*wanted, Sysctl("net/ipv4/ip_forward", "1", essential=True)]


def _of_guests(zone: Zone) -> list[Sysctl]:
    four, six = f"net/ipv4/conf/{zone.interface}", f"net/ipv6/conf/{zone.interface}"
    # Guests can't claim foreign sources, redirect us, or tell us to re-route.
    wanted = [
        Sysctl(f"{four}/rp_filter", "1"),
        Sysctl(f"{four}/accept_redirects", "0"),
        Sysctl(f"{four}/send_redirects", "0"),
    ]
    if zone.ipv6:
        wanted += [
            Sysctl(f"{six}/disable_ipv6", "0"),
            Sysctl(f"{six}/accept_ra", "0"),
            Sysctl(f"{six}/accept_redirects", "0"),
        ]
    return wanted


_ROOM = (
    # Only raised, and only where they exist (they belong to the whole machine, not to a network namespace).
    Sysctl("net/netfilter/nf_conntrack_max", str(_ENOUGH_FLOWS)),
    Sysctl("net/ipv4/neigh/default/gc_thresh1", "16384"),
    Sysctl("net/ipv4/neigh/default/gc_thresh2", "32768"),
    Sysctl("net/ipv4/neigh/default/gc_thresh3", "65536"),
    Sysctl("net/ipv6/neigh/default/gc_thresh1", "16384"),
    Sysctl("net/ipv6/neigh/default/gc_thresh2", "32768"),
    Sysctl("net/ipv6/neigh/default/gc_thresh3", "65536"),
)


def note_of(settings: Settings) -> Path:
    """Return the file that remembers what was changed on this host."""
    return settings.run_dir / "gateway-changes.json"


def require(settings: Settings) -> None:
    """Check that all interfaces exist, or can be made. Raises NetworkError naming the setting."""
    present = sorted(name for _, name in socket.if_nameindex() if name != "lo")
    guests = [(settings_zones.label(zone), zone.interface) for zone in settings.zones]
    parents = [(settings_zones.label(zone), links.parent(zone)) for zone in settings.zones if zone.vlan]
    made = {zone.interface for zone in settings.zones if links.is_made(zone, settings)} - set(present)
    for section, name in (*(row for row in guests if row[1] not in made), *parents, ("wan", settings.wan.interface)):
        if name not in present:
            raise NetworkError(
                f"{settings.source}: [{section}] interface is {name!r}, and there is no such interface here.",
                remedy=f"Plug it in, or name one of these: {', '.join(present) or 'none is here'}.",
            )


def prepare(settings: Settings, note: Path) -> None:
    """Bring up the guests' interfaces, give them their addresses, set the kernel; done before, it changes nothing.

    Raises NetworkError where something essential is refused.
    """
    changes = noted.load(note)
    with netlink.Socket(netlink.ROUTE) as kernel:
        for zone in settings.zones:
            if links.is_made(zone, settings):
                links.make(kernel, zone, changes, note)
        for zone in settings.zones:
            with _explained(zone.interface):
                for name in filter(None, (links.parent(zone), zone.interface)):
                    _bring_up(kernel, name, changes, note)
        _set_all(settings, changes, note)
        for zone in settings.zones:
            with _explained(zone.interface):
                if zone.isolation:
                    isolation.isolate(kernel, zone.interface, changes, note)
                for address in (zone.ipv4, zone.ipv6):
                    if address and not settings.ha.peer:  # those of a pair are keepalived's to give
                        _give(kernel, zone.interface, address, changes, note)


@contextmanager
def _explained(interface: str) -> Iterator[None]:
    try:
        yield
    except netlink.NetlinkError as error:
        raise _explain(error, interface) from error


def take_back(note: Path) -> list[str]:
    """Undo what `prepare` noted; return what could not be undone, in words."""
    changes, left = noted.load(note), []
    with netlink.Socket(netlink.ROUTE) as kernel:
        for path, before in reversed(changes.sysctls.items()):
            if (_SYSCTL / path).exists() and not _write(path, before):
                left.append(f"{path} stays changed; it was {before}")
        for interface, address in changes.addresses:
            try:
                _address(kernel, _DELETE_ADDRESS, interface, ip_interface(address))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, *links.GONE):
                    left.append(f"{address} stays on {interface} ({error.strerror})")
        isolation.take_back(kernel, changes)
        for interface in changes.links:
            try:
                _link(kernel, interface, up=False)
            except OSError as error:
                if error.errno not in links.GONE:
                    left.append(f"{interface} stays up ({error.strerror})")
        left += links.remove(kernel, changes.made)
    note.unlink(missing_ok=True)
    return left


def drop(settings: Settings) -> None:
    """Take a pair's addresses from this gateway, where keepalived was killed and could not."""
    with netlink.Socket(netlink.ROUTE) as kernel:
        for zone in settings.zones:
            for address in (zone.ipv4, zone.ipv6):
                with suppress(OSError):  # it isn't there
                    if address:
                        _address(kernel, _DELETE_ADDRESS, zone.interface, address)


def addresses(interface: str) -> set[Interface]:
    """Return the addresses of an interface, with their prefix."""
    index, found = socket.if_nametoindex(interface), set()
    with netlink.Socket(netlink.ROUTE) as kernel:
        for body in kernel.dump(_GET_ADDRESS, _IFADDR.pack(0, 0, 0, 0, 0)):
            _, prefix, _, _, where = _IFADDR.unpack_from(body)
            parts = netlink.attributes(body, _IFADDR.size)
            raw = parts.get(_LOCAL) or parts.get(_LOCAL_ADDRESS)
            if where == index and raw:
                found.add(ip_interface((raw, prefix)))
    return found


def link_address(interface: str) -> bytes:
    """Return the six bytes of an interface's own MAC. Raises OSError where it is gone, or no Ethernet device."""
    with netlink.Socket(netlink.ROUTE) as kernel:
        body = kernel.get(_GET_LINK, _IFINFO.pack(0, 0, 0, socket.if_nametoindex(interface), 0, 0))
    found = netlink.attributes(body, _IFINFO.size).get(_LINK_ADDRESS, b"")
    if len(found) != 6:
        raise OSError(errno.ENODEV, f"{interface} has no Ethernet address")
    return found


def _bring_up(kernel: netlink.Socket, interface: str, changes: Changes, note: Path) -> None:
    body = kernel.get(_GET_LINK, _IFINFO.pack(0, 0, 0, socket.if_nametoindex(interface), 0, 0))
    if _IFINFO.unpack_from(body)[4] & _UP:
        return
    changes.links.append(interface)
    noted.save(note, changes)
    _link(kernel, interface, up=True)


def _link(kernel: netlink.Socket, interface: str, *, up: bool) -> None:
    index = socket.if_nametoindex(interface)
    kernel.request(_NEW_LINK, _IFINFO.pack(0, 0, 0, index, _UP if up else 0, _UP))


def _give(kernel: netlink.Socket, interface: str, address: Interface, changes: Changes, note: Path) -> None:
    if address in addresses(interface):
        return
    changes.addresses.append((interface, str(address)))
    noted.save(note, changes)
    _address(kernel, _NEW_ADDRESS, interface, address)


def _address(kernel: netlink.Socket, kind: int, interface: str, address: Interface) -> None:
    family, flags = (socket.AF_INET, 0) if address.version == 4 else (socket.AF_INET6, _NO_DUPLICATE_CHECK)
    head = _IFADDR.pack(family, address.network.prefixlen, flags, 0, socket.if_nametoindex(interface))
    body = head + attribute(_LOCAL, address.packed) + attribute(_LOCAL_ADDRESS, address.packed)
    if address.version == 4:
        body += attribute(4, address.network.broadcast_address.packed)  # IFA_BROADCAST
    kernel.request(kind, body, netlink.CREATE | netlink.EXCLUSIVE if kind == _NEW_ADDRESS else 0)


def _set_all(settings: Settings, changes: Changes, note: Path) -> None:
    for entry in sysctls(settings):
        before = _read(entry.path)
        if before == entry.value:
            continue
        _note(changes, note, entry.path, before)
        if _write(entry.path, entry.value):
            continue
        if entry.essential:
            raise NetworkError(
                f"/proc/sys/{entry.path} is {before or 'missing'} and may not be set to {entry.value}.",
                remedy=f"Set it as root: sysctl -w {entry.path.replace('/', '.')}={entry.value}.",
            )
        _log.warning("sysctl_refused", setting=entry.path, wanted=entry.value)
    for entry in _ROOM:
        before = _read(entry.path)
        if before is not None and before.isdigit() and int(before) < int(entry.value):
            _note(changes, note, entry.path, before)
            if not _write(entry.path, entry.value):
                _log.warning("sysctl_refused", setting=entry.path, wanted=entry.value)


def _note(changes: Changes, note: Path, path: str, before: str | None) -> None:
    if before is not None:
        changes.sysctls.setdefault(path, before)
        noted.save(note, changes)


def _read(path: str) -> str | None:
    try:
        return (_SYSCTL / path).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _write(path: str, value: str) -> bool:
    try:
        (_SYSCTL / path).write_text(value, encoding="ascii")
    except OSError:
        return False
    return True


def _explain(error: netlink.NetlinkError, interface: str) -> NetworkError:
    if error.errno == errno.EPERM:
        return NetworkError(
            f"{interface} may not be configured: this process lacks CAP_NET_ADMIN.",
            remedy="Run it as root, inside `unshare -Urnm`, or with AmbientCapabilities=CAP_NET_ADMIN.",
        )
    return NetworkError(f"{interface} can't be configured ({error.strerror}).", remedy="See `ip address` and dmesg.")
