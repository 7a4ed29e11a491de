# SPDX-License-Identifier: EUPL-1.2
"""Three network namespaces joined like a real site: guests on the radio, the gateway, the internet behind its uplink.

Held by descriptors of this process alone. Needs root in its own user namespace, and a mount namespace of its own.

    guests: air0 ──── lan0 :gateway: wan0 ──── up0 :internet
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Literal, Self

from lab.net import kernel

Place = Literal["guests", "gateway", "internet"]
PLACES: tuple[Place, ...] = ("guests", "gateway", "internet")

# Documentation addresses (RFC 5737, RFC 3849): they can't be anybody's, and systems take them for public ones.
UPLINK = IPv4Interface("198.51.100.2/24")
PROVIDER = IPv4Interface("198.51.100.1/24")
UPLINK6 = IPv6Interface("2001:db8:1::2/64")
PROVIDER6 = IPv6Interface("2001:db8:1::1/64")
WEB = IPv4Address("203.0.113.80")
WEB6 = IPv6Address("2001:db8:80::80")
PLATFORM = IPv4Address("203.0.113.10")
LAN = IPv4Interface("10.77.0.1/20")
LAN6 = IPv6Interface("2001:db8:77::1/64")

# Mounts of a command in a namespace: its own view of /sys/class/net, and a resolver of its own.
_ENTER = (
    "mount -t sysfs sysfs /sys 2>/dev/null; "
    '[ -z "$PARVIS_LAB_RESOLV" ] || mount --bind "$PARVIS_LAB_RESOLV" /etc/resolv.conf; exec "$@"'
)


@dataclass
class Zone:
    """The three namespaces. `command` says how to run something inside one of them."""

    folder: Path
    namespaces: dict[Place, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Make namespaces, cables and addresses; leave the gateway's LAN to the product."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            for place in PLACES:
                kernel.unshare(kernel.NEW_NET)
                self.namespaces[place] = os.open("/proc/self/ns/net", os.O_RDONLY)
            kernel.enter(home, kernel.NEW_NET)
        finally:
            os.close(home)
        for place, resolver in (("guests", LAN.ip), ("gateway", PROVIDER.ip), ("internet", PROVIDER.ip)):
            (self.folder / f"resolv.{place}").write_text(f"nameserver {resolver}\n", encoding="ascii")
        self._cables()
        self._addresses()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go; the kernel removes each namespace when its last process has ended."""
        for descriptor in self.namespaces.values():
            with suppress(OSError):
                os.close(descriptor)
        self.namespaces.clear()

    def command(self, place: Place, words: Sequence[str]) -> list[str]:
        """Words that run `words` in a namespace; the caller passes `descriptors()` on to the child."""
        resolver = self.folder / f"resolv.{place}"
        enter = ["nsenter", f"--net=/proc/self/fd/{self.namespaces[place]}", "unshare", "--mount"]
        return [*enter, "env", f"PARVIS_LAB_RESOLV={resolver}", "sh", "-c", _ENTER, "sh", *words]

    def descriptors(self) -> tuple[int, ...]:
        """Descriptors that a child needs to enter."""
        return tuple(self.namespaces.values())

    def run(self, place: Place, *words: str, stdin: str = "") -> str:
        """Run a short command to its end inside; return what it printed, OSError with its complaint when it fails."""
        enter = ["nsenter", f"--net=/proc/self/fd/{self.namespaces[place]}", *words]
        done = subprocess.run(
            enter, input=stdin, capture_output=True, text=True, timeout=30, check=False, pass_fds=self.descriptors()
        )
        if done.returncode:
            raise OSError(f"in namespace {place}, `{' '.join(words)}` failed: {done.stderr.strip()}")
        return done.stdout

    def _cables(self) -> None:
        gateway = self.namespaces["gateway"]
        cables: tuple[tuple[Place, str, str], ...] = (("guests", "air0", "lan0"), ("internet", "up0", "wan0"))
        for place, here, there in cables:
            veth = ["type", "veth", "peer", "name", there, "netns", f"/proc/self/fd/{gateway}"]
            self.run(place, "ip", "link", "add", here, *veth)

    def _addresses(self) -> None:
        self.run("guests", "ip", "-batch", "-", stdin="link set lo up\nlink set air0 up\n")
        # What the provider's box would give by DHCP: an address, a way out, and a prefix for the guests.
        self.run("gateway", "ip", "-batch", "-", stdin=(
            f"link set lo up\nlink set wan0 up\naddr add {UPLINK} dev wan0\naddr add {UPLINK6} dev wan0 nodad\n"
            f"route add default via {PROVIDER.ip}\nroute add default via {PROVIDER6.ip} dev wan0\n"
        ))  # fmt: skip
        self.run("internet", "ip", "-batch", "-", stdin=(
            f"link set lo up\nlink set up0 up\naddr add {PROVIDER} dev up0\naddr add {PROVIDER6} dev up0 nodad\n"
            f"addr add {WEB}/32 dev lo\naddr add {PLATFORM}/32 dev lo\naddr add {WEB6}/128 dev lo nodad\n"
            f"route add {LAN6.network} via {UPLINK6.ip} dev up0\n"
        ))  # fmt: skip
        # Many phones live in one kernel: each interface answers for its own address only (ip-sysctl, arp_ignore).
        # The radio itself is no guest; which phones speak IPv6 is said in lab.phone.lease.
        self.run("guests", "sh", "-c",
                 "cd /proc/sys/net/ipv4/conf; for k in all default; do echo 1 >$k/arp_ignore; "
                 "echo 2 >$k/arp_announce; echo 0 >$k/rp_filter; done; "
                 "cd ../../ipv6/conf; for k in default air0; do echo 1 >$k/disable_ipv6; done")  # fmt: skip
