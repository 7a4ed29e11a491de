# SPDX-License-Identifier: EUPL-1.2
"""Two whole gateways on one network of guests, with one Internet and a cable between the two.

guests: g0 … on air0 ── radio :bridge: porta ── lan0 :gateway a: wan0 ── up0 :bridge in the internet
                                       portb ── lan0 :gateway b: wan0 ── up1
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge_core import clock, control
from edge_core.settings import Settings, load
from edge_core.store import database, grants
from lab.bench.forwarding import GATEWAY, address_of, mac_of
from lab.ca import Authority
from lab.net.zone import LAN6, PROVIDER, PROVIDER6, Zone
from lab.processes import Processes

SITE = {"a": "192.0.2.1", "b": "192.0.2.2"}
_PYTHON = (sys.executable, "-m")
_SESSION = 36_000
_CONFIG = """
[site]
id = "mesure"
name = "Parc de mesure"
gateway_key = "{folder}/gateway.key"
[device]
id = "passerelle-{name}"
state_dir = "{folder}/{name}/state"
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
[ha]
peer = "{peer}"
interface = "site0"
{broker}
"""
_UPLINK = {"a": ("198.51.100.2/24", "2001:db8:1::2/64"), "b": ("198.51.100.3/24", "2001:db8:1::3/64")}


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition. Raises RuntimeError naming it."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.05)


@dataclass
class Gateway:
    """One of the two."""

    name: str
    zone: Zone
    processes: Processes
    settings: Settings

    def start(self) -> None:
        """Give it what a boot gives, and start the product."""
        (self.settings.run_dir / "ha-weight").unlink(missing_ok=True)  # in memory on devices: a boot knows nothing
        four, six = _UPLINK[self.name]
        self.zone.run("gateway", "sh", "-c", "ip address flush dev lan0; nft flush ruleset")
        lines = [f"link set {name} up" for name in ("lan0", "wan0", "site0")]
        lines += [f"addr replace {four} dev wan0", f"addr replace {six} dev wan0 nodad"]
        lines += [f"route replace default via {PROVIDER.ip}", f"-6 route replace default via {PROVIDER6.ip} dev wan0"]
        for line in lines:
            self.zone.run("gateway", "ip", *line.split())
        words = [*_PYTHON, "edge_core.cli", "run", "gateway", "--config", str(self.settings.source)]
        self.processes.start("run", words, place="gateway")

    def cut(self) -> None:
        """Cut its power: the wires go dark, and every process ends at once."""
        for name in ("site0", "lan0", "wan0"):
            self.zone.run("gateway", "ip", "link", "set", name, "down")
        process = self.processes.running.pop("run")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Stop it as systemd does."""
        process = self.processes.running.pop("run")
        process.terminate()
        process.wait()

    def is_active(self) -> bool:
        """Tell whether it has the guests' address."""
        return f" {GATEWAY}/" in self.zone.run("gateway", "ip", "-br", "address", "show", "dev", "lan0")

    def is_fit(self) -> bool:
        """Tell whether it says that it is well."""
        with suppress(OSError):
            return (self.settings.run_dir / "ha-weight").read_text(encoding="ascii").strip() == "0"
        return False

    def sessions(self) -> int:
        """Return how many sessions the kernel's rules hold."""
        with suppress(OSError):
            return self.zone.run("gateway", "nft", "list", "map", "inet", "parvis", "grant4").count(" . 10.77.")
        return 0


@dataclass
class Pair:
    """Both, and their guests."""

    folder: Path
    guests: int
    gateways: list[Gateway] = field(default_factory=list)

    def open(self) -> None:
        """Lay the cables and start both, with a session for each guest at the active one; wait until both know it."""
        authority = Authority(self.folder / "ca")
        (self.folder / "gateway.key").write_text("measured-and-thrown-away-" * 2, encoding="ascii")
        (self.folder / "gateway.key").chmod(0o600)
        for name in ("a", "b"):
            place = self.folder / name
            place.mkdir()
            zone = Zone(place).__enter__()
            self.gateways.append(
                Gateway(name, zone, Processes(place, zone).__enter__(), self._settings(name, authority))
            )
        self._join()
        self._lease()
        for each in self.gateways:
            each.start()
        self.settle(0)
        active = self.active()
        with database.open_edge(active.settings.edge_db) as store:
            for number in range(self.guests):
                grants.accept(store, mac_of(number), "free", _SESSION, clock.now())
        control.nudge(active.settings.agent_socket)
        self.settle()

    def close(self) -> None:
        """End everything."""
        for each in self.gateways:
            each.processes.__exit__(None, None, None)
            each.zone.__exit__(None, None, None)

    def active(self) -> Gateway:
        """Return the one that has the addresses."""
        return next(each for each in self.gateways if each.is_active())

    def settle(self, sessions: int | None = None) -> None:
        """Wait until one is active, both are fit, and both know all sessions."""
        wanted = self.guests if sessions is None else sessions
        until(lambda: sum(each.is_active() for each in self.gateways) == 1, 60, "one active gateway")
        until(lambda: all(each.is_fit() for each in self.gateways), 90, "that both are fit")
        until(lambda: all(each.sessions() >= wanted for each in self.gateways), 90, "that both know all sessions")

    def _settings(self, name: str, authority: Authority) -> Settings:
        ca, other = authority.certificate_file, "b" if name == "a" else "a"
        if name == "a":
            certificate, key = authority.issue(SITE["a"])
            broker = f'[broker]\nlan = "{SITE["a"]}:8883"\nlan_ca = "{ca}"\n'
            broker += f'lan_certificate = "{certificate}"\nlan_key = "{key}"\n'
        else:
            certificate, key = authority.issue("mesure/passerelle-b")
            broker = f'[mqtt]\nurl = "mqtts://{SITE["a"]}:8883"\nca = "{ca}"\n'
            broker += f'certificate = "{certificate}"\nkey = "{key}"\n'
        path = self.folder / name / "parvis.toml"
        text = _CONFIG.format(
            folder=self.folder, name=name, gateway=GATEWAY, lan6=LAN6, dns=PROVIDER.ip, peer=SITE[other], broker=broker
        )
        path.write_text(text, encoding="utf-8")
        return load(path)

    def _join(self) -> None:
        """Have both on the first one's guests' bridge, and on its Internet; a cable between the two."""
        a, b = (each.zone for each in self.gateways)

        def away(zone: Zone, place: str) -> str:
            return f"/proc/{os.getpid()}/fd/{zone.namespaces[place]}"  # type: ignore[index]

        b.run("guests", "ip", "link", "set", "air0", "netns", away(a, "guests"), "name", "portb")
        b.run("internet", "ip", "link", "set", "up0", "netns", away(a, "internet"), "name", "up1")
        a.run(
            "gateway",
            "ip",
            "link",
            "add",
            "site0",
            "type",
            "veth",
            "peer",
            "name",
            "site0",
            "netns",
            away(b, "gateway"),
        )
        a.run("internet", "ip", "-batch", "-", stdin=(
            f"link add street type bridge mcast_snooping 0\naddr flush dev up0\nlink set up0 master street up\n"
            f"link set up1 master street up\nlink set street up\naddr add {PROVIDER} dev street\n"
            f"addr add {PROVIDER6} dev street nodad\n"
        ))  # fmt: skip
        a.run("guests", "ip", "-batch", "-", stdin=(
            "link set air0 down\nlink set air0 name porta\nlink add air0 type veth peer name radio\n"
            "link add air type bridge mcast_snooping 0\nlink set air up\n"
            + "".join(f"link set {port} master air up\n" for port in ("porta", "portb", "radio"))
            + "link set air0 up\n" + "".join(map(self._guest, range(self.guests + 1)))
        ))  # fmt: skip
        for each in self.gateways:
            each.zone.run("gateway", "ip", "address", "flush", "dev", "wan0")
            each.zone.run("gateway", "ip", "address", "add", f"{SITE[each.name]}/24", "dev", "site0")

    @staticmethod
    def _guest(number: int) -> str:
        name = f"g{number}"
        return (
            f"link add link air0 name {name} address {mac_of(number)} type macvlan mode private\n"
            f"addr add {address_of(number)}/16 dev {name} noprefixroute\nlink set {name} up\n"
            f"route add {GATEWAY}/32 dev {name} metric {1000 + number}\n"
            f"route add default via {GATEWAY} dev {name} metric {1000 + number}\n"
        )

    def _lease(self) -> None:
        """Have the first know a lease of each guest, as if it had given them; the other is told."""
        settings = self.gateways[0].settings
        settings.leases_file.parent.mkdir(parents=True, exist_ok=True)
        end = int(clock.now()) + _SESSION
        rows = (f"{end} {mac_of(number)} {address_of(number)} * *\n" for number in range(self.guests))
        settings.leases_file.write_text("".join(rows), encoding="ascii")


@contextmanager
def opened(folder: Path, guests: int) -> Iterator[Pair]:
    """Open a pair with so many guests for as long as it is measured."""
    pair = Pair(folder, guests)
    try:
        pair.open()
        yield pair
    finally:
        pair.close()
