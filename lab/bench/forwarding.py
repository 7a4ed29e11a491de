# SPDX-License-Identifier: EUPL-1.2
"""Gateways side by side, each between guests and an Internet of its own, and what traffic gets through them.

Guests are distinct devices (macvlan). A lane that nobody measures costs next to nothing, so rounds can be interleaved.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from edge_core import clock, control
from edge_core.settings import Settings, load
from edge_core.store import database
from lab.faults.site import until
from lab.net.zone import LAN6, PROVIDER, Zone
from lab.nginx import configuration
from lab.processes import Processes

GATEWAY = "10.77.0.1"
_PORT = 5201
_FIRST_METRIC = 1000
_PYTHON = (sys.executable, "-m")
# Other work on the machine waits for the moments of a measure.
_FIRST = ("nice", "-n", "-20")
_CONFIG = """
[site]
id = "mesure"
name = "Parc de mesure"
[device]
id = "passerelle"
state_dir = "{state}"
[lan]
interface = "lan0"
ipv4 = "{gateway}/16"
ipv6 = "{lan6}"
dhcp_range = "10.77.16.1-10.77.200.250"
[wan]
interface = "wan0"
dns = ["{dns}"]
[portal]
hostname = "portail.example.net"
"""
_NAT = """
table ip nat {
 chain postrouting { type nat hook postrouting priority srcnat; policy accept;
  oifname "wan0" masquerade
 }
}
"""
_SINK = """
table ip sink {
 chain prerouting { type filter hook prerouting priority raw; policy accept;
  udp dport 9 drop
 }
}
"""


def mac_of(number: int) -> str:
    """Return the MAC of a guest."""
    return f"02:50:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def address_of(number: int) -> IPv4Address:
    """Return the IPv4 address of a guest."""
    high, low = divmod(number, 250)
    return IPv4Address(f"10.77.{16 + high}.{low + 1}")


@dataclass
class Lane:
    """A gateway with its guests and its Internet."""

    name: str
    folder: Path
    zone: Zone = field(init=False)
    processes: Processes = field(init=False)
    reached: float = 0.0

    def open(self, devices: int) -> None:
        """Make the namespaces, `devices` guests, and the Internet's end of the measures."""
        self.folder.mkdir(parents=True)
        self.zone = Zone(self.folder).__enter__()
        self.processes = Processes(self.folder, self.zone).__enter__()
        self._guests(devices)
        # The flood ends where it arrives: an answer to each packet would be measured too.
        self.zone.run("internet", "nft", "-f", "-", stdin=_SINK)
        self.processes.start("iperf", [*_FIRST, "iperf3", "-s", "-p", str(_PORT)], place="internet")

    def close(self) -> None:
        """End everything."""
        self.processes.__exit__(None, None, None)
        self.zone.__exit__(None, None, None)

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a command in the gateway."""
        return self.zone.run("gateway", *words, stdin=stdin)

    def as_plain_nat(self) -> None:
        """Forward and masquerade, judging nobody: the limit of what this machine can do."""
        self.run("ip", "-batch", "-", stdin=f"link set lan0 up\naddr add {GATEWAY}/16 dev lan0\n")
        self.run(
            "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/netfilter/nf_conntrack_acct"
        )
        self.run("nft", "-f", "-", stdin=_NAT)

    def as_parvis(self, grants: int, limits: Sequence[tuple[int, int]] = ()) -> Settings:
        """Set the product up with `grants` grants and start its agent; the first of them may have rates (kbit/s)."""
        settings = self.settings()
        database.migrate(settings)
        now = clock.now()
        with database.open_edge(settings.edge_db) as store, database.write(store):
            store.executemany(
                "INSERT INTO grants (session, mac, plan, created_at, expires_at, rate_up, rate_down)"
                " VALUES (?, ?, 'free', ?, ?, ?, ?)",
                [
                    (
                        f"{number:036d}",
                        mac_of(number),
                        now,
                        now + 36_000,
                        *_limit(limits, number),
                    )
                    for number in range(grants)
                ],
            )
        self.lease(settings, grants)
        self.run(*_PYTHON, "gateway_agent", "setup", "--config", str(settings.source))
        self.start_agent(settings)
        return settings

    def as_whole(self, devices: int, *, behind_nginx: bool = False) -> Settings:
        """Start the whole product by its own command, with leases for all guests and no grant.

        With `behind_nginx` guests meet nginx as devices have it, and our own front listens for nobody.
        """
        settings = self.settings()
        settings.leases_file.parent.mkdir(parents=True, exist_ok=True)
        self.lease(settings, devices)
        if behind_nginx:
            settings.source.write_text(settings.source.read_text("utf-8") + 'bind = "127.0.0.1"\n', encoding="utf-8")
        words = [*_PYTHON, "edge_core.cli", "run", "gateway", "--config", str(settings.source)]
        self.processes.start("whole", words, place="gateway")
        if behind_nginx:
            self._start_nginx(settings)
        end = time.monotonic() + 60
        while not control.ask(settings.agent_socket, {"op": "status"}) or not self._portal_answers():
            if time.monotonic() > end:
                raise RuntimeError(f"the gateway of {self.name} does not start; see {self.processes.log('whole')}")
            time.sleep(0.2)
        return settings

    def _start_nginx(self, settings: Settings) -> None:
        until(settings.portal_socket.exists, 60, "the portal's socket")  # guests' addresses are set up by then
        file = self.folder / "nginx.conf"
        text = configuration(settings.run_dir, f"{GATEWAY}/16", parvis_portal={"hostname": settings.portal.hostname})
        file.write_text(text, encoding="utf-8")
        self.processes.start("front", ["nginx", "-c", str(file), "-g", "daemon off;"], place="gateway")

    def introduce(self, devices: int) -> None:
        """Let gateway and guests know each other: broadcasts of a thousand to a thousand measure nothing."""
        gateway = json.loads(self.run("ip", "-j", "link", "show", "dev", "lan0"))[0]["address"]
        there = [f"neigh replace {GATEWAY} lladdr {gateway} dev g{one} nud permanent" for one in range(devices)]
        guests = ((address_of(one), mac_of(one)) for one in range(devices))
        here = [f"neigh replace {address} lladdr {mac} dev lan0 nud stale" for address, mac in guests]
        self.zone.run("guests", "ip", "-batch", "-", stdin="\n".join(there) + "\n")
        self.run("ip", "-batch", "-", stdin="\n".join(here) + "\n")

    def _portal_answers(self) -> bool:
        words = ["curl", "-s", "-o", "/dev/null", "--max-time", "2", "--noproxy", "*", f"http://{GATEWAY}:8080/"]
        try:
            self.run(*words)
        except OSError:
            return False
        return True

    def settings(self) -> Settings:
        """Write the configuration and return it."""
        path = self.folder / "parvis.toml"
        path.write_text(
            _CONFIG.format(state=self.folder / "state", gateway=GATEWAY, lan6=LAN6, dns=PROVIDER.ip), encoding="utf-8"
        )
        return load(path)

    @staticmethod
    def lease(settings: Settings, devices: int) -> None:
        """Write leases of so many guests where dnsmasq would."""
        end = int(clock.now()) + 36_000
        leases = "".join(f"{end} {mac_of(number)} {address_of(number)} * *\n" for number in range(devices))
        settings.leases_file.write_text(leases, encoding="ascii")

    def start_agent(self, settings: Settings) -> None:
        """Start the agent and wait until it answers."""
        words = [*_PYTHON, "gateway_agent", "--config", str(settings.source)]
        self.processes.start("agent", words, place="gateway")
        end = time.monotonic() + 30
        while not control.ask(settings.agent_socket, {"op": "nudge"}):
            if time.monotonic() > end:
                raise RuntimeError(f"the agent of {self.name} does not answer; see {self.processes.log('agent')}")
            time.sleep(0.05)

    def tcp(self, guest: int, seconds: int, *, down: bool = False) -> dict[str, float]:
        """Return Mb/s at the receiver and retransmits of one TCP stream between a guest and the Internet."""
        told = self._iperf(guest, seconds, "-C", "cubic", *(["-R"] if down else []))
        return {
            "mbps": told["end"]["sum_received"]["bits_per_second"] / 1e6,
            "retransmits": told["end"]["sum_sent"].get("retransmits", 0),
        }

    def packets(self, guest: int, seconds: float) -> float:
        """Return how many small packets (64 bytes of UDP) a second of the sender's core reach the Internet."""
        before = self._arrived()
        words = [*_FIRST, *_PYTHON, "lab.bench.flood", f"g{guest}", str(PROVIDER.ip), str(seconds)]
        told = json.loads(self.zone.run("guests", *words))
        return (self._arrived() - before) / float(told["cpu"])

    def storm(self, *words: object) -> dict[str, Any]:
        """Have guests do what `lab.bench.storm` can; return what it tells."""
        told: dict[str, Any] = json.loads(self.zone.run("guests", *_PYTHON, "lab.bench.storm", *map(str, words)))
        return told

    def _arrived(self) -> int:
        listed = json.loads(self.zone.run("internet", "ip", "-j", "-s", "link", "show", "dev", "up0"))
        return int(listed[0]["stats64"]["rx"]["packets"])

    def _iperf(self, guest: int, seconds: int, *words: str) -> dict[str, dict[str, dict[str, float]]]:
        target = ["-c", str(PROVIDER.ip), "-p", str(_PORT), "-J", "-t", str(seconds), "--bind-dev", f"g{guest}"]
        for _ in range(3):
            with suppress(OSError):
                said: dict[str, dict[str, dict[str, float]]] = json.loads(
                    self.zone.run("guests", *_FIRST, "iperf3", *target, *words)
                )
                return said
            time.sleep(0.3)  # the server still ends the stream before
        raise RuntimeError(f"iperf3 does not get through {self.name}")

    def _guests(self, devices: int) -> None:
        lines = []
        for number in range(devices):
            name = f"g{number}"
            lines += [
                f"link add link air0 name {name} address {mac_of(number)} type macvlan mode private",
                f"addr add {address_of(number)}/16 dev {name} noprefixroute",
                f"link set {name} up",
                f"route add {GATEWAY}/32 dev {name} metric {_FIRST_METRIC + number}",
                f"route add default via {GATEWAY} dev {name} metric {_FIRST_METRIC + number}",
            ]
        self.zone.run("guests", "ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def _limit(limits: Sequence[tuple[int, int]], number: int) -> tuple[int | None, int | None]:
    return limits[number] if number < len(limits) else (None, None)


@contextmanager
def opened(name: str, folder: Path, devices: int) -> Iterator[Lane]:
    """Open a lane with so many guests for as long as it is measured."""
    lane = Lane(name, folder / name)
    lane.open(devices)
    try:
        yield lane
    finally:
        lane.close()


def reachable(lane: Lane, guest: int, seconds: float = 1.0) -> bool:
    """Tell whether a guest reaches the Internet by a ping within `seconds`."""
    words = ["ping", "-c", "1", "-W", str(seconds), "-I", f"g{guest}", str(PROVIDER.ip)]
    try:
        lane.zone.run("guests", *words)
    except (OSError, subprocess.SubprocessError):
        return False
    return True
