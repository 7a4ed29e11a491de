# SPDX-License-Identifier: EUPL-1.2
"""What a phone was given by DHCP, and how it takes it: address and routes of one of many interfaces of a namespace."""

import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

CAPTIVE_PORTAL_OPTION = 114  # RFC 8910


@dataclass(frozen=True)
class Lease:
    """A DHCPv4 lease. `portal` is the API's address of RFC 8910, "" when none was sent."""

    interface: str
    address: IPv4Address
    router: IPv4Address
    dns: IPv4Address
    seconds: int
    portal: str = ""


def ip_batch(lines: str) -> None:
    """Run lines of `ip -batch` in the namespace of this process; OSError with ip's complaint when one fails."""
    done = subprocess.run(["ip", "-batch", "-"], input=lines, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"`ip -batch` failed: {done.stderr.strip()} in: {lines.strip()!r}")


def join(interface: str, parent: str = "air0", *, ipv6: bool = False) -> None:
    """Make a phone's radio: a macvlan child with an address of its own, which in the air stands beside the others.

    With IPv6 it follows router advertisements. One phone of a namespace may: such routes belong to the whole namespace.
    """
    ip_batch(
        f"link add {interface} link {parent} type macvlan mode bridge\n"
        f"link set {interface} up\n"
    )  # fmt: skip
    if ipv6:
        Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("0", encoding="ascii")


def leave(interface: str) -> None:
    """Switch the radio off; its addresses and routes go with it."""
    ip_batch(f"link del {interface}\n")


def take(lease: Lease, metric: int) -> None:
    """Set address and routes. The lower the metric, the more of the namespace's own traffic goes by this phone."""
    device = f"dev {lease.interface}"
    ip_batch(
        f"addr add {lease.address}/32 {device} noprefixroute\n"
        f"route replace {lease.router}/32 {device} src {lease.address} metric {metric}\n"
        f"route replace default via {lease.router} {device} src {lease.address} onlink metric {metric}\n"
    )
