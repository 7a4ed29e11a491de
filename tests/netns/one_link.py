# SPDX-License-Identifier: EUPL-1.2
"""Two gateways that stand in for each other: one network of guests, one Internet, and a link between the two."""

import contextlib
import json
import os
import re
import signal
import time
from datetime import datetime

from edge_core.doctor import checks
from edge_core.doctor import pair as doctor
from edge_core.settings import load
from edge_core.store import database
from gateway_agent import standing

from .conftest import inside, run, until
from .two_gateways import SITE, Pair

STEADY = 3.0  # seconds: four times what a gateway waits for the other's word before it takes over


class HaPair(Pair):
    """The pair of `two_gateways`, both of it on A's guests' bridge and on A's Internet."""

    def __init__(self, folder):
        super().__init__(folder)
        a, b = self.a, self.b
        for each, peer in ((a, SITE["b"]), (b, SITE["a"])):
            text = each.config.read_text()
            each.config.write_text(f'{text}\n[ha]\npeer = "{peer}"\ninterface = "site0"\n')
            each.settings = load(each.config)
        # B's two cables go where A's are.
        run("ip", "-n", b.guests, "link", "set", "up0", "nomaster", "down")
        run("ip", "-n", b.guests, "link", "set", "up0", "netns", a.guests, "name", "up1")
        run("ip", "-n", a.guests, "link", "set", "up1", "master", "br0", "up")
        run("ip", "-n", b.internet, "link", "set", "up0", "netns", a.internet, "name", "up1")
        run("ip", "-n", a.internet, "link", "add", "street", "type", "bridge", "mcast_snooping", "0")
        run("ip", "netns", "exec", a.internet, "sysctl", "-qw", "net.ipv6.conf.street.accept_dad=0")
        run("ip", "-n", a.internet, "address", "flush", "dev", "up0", "scope", "global")
        for port in ("up0", "up1"):
            run("ip", "-n", a.internet, "link", "set", port, "master", "street", "up")
        run("ip", "-n", a.internet, "link", "set", "street", "up")
        for address in ("192.0.2.1/24", "2001:db8:1::1/64"):
            run("ip", "-n", a.internet, "address", "add", address, "dev", "street")
        run("ip", "-n", b.gateway, "address", "flush", "dev", "wan0", "scope", "global")
        self._give_way(b)

    def start(self):
        database.migrate(self.a.settings)
        self.a.start_internet()
        for each in self.both:
            each.launch()
        for each in self.both:
            each.wait()
        until(lambda: self.hears(self.a) and self.hears(self.b), 120, "that the gateways hear each other")
        self.settle()
        return self

    def settle(self):
        """Wait until one of them is active and both are fit, and stay so; return the active one."""
        seen, since = None, time.monotonic()

        def is_steady():
            nonlocal seen, since
            now = self.active() if self.fit(self.a) and self.fit(self.b) else None
            if now is None or now is not seen:
                seen, since = now, time.monotonic()
            return seen is not None and time.monotonic() - since > STEADY

        until(is_steady, 120, "one active gateway, and two fit")
        return seen

    @property
    def both(self):
        return (self.a, self.b)

    def other(self, gateway):
        return self.b if gateway is self.a else self.a

    def has_address(self, gateway):
        with inside(gateway.gateway):
            return standing.is_active(gateway.settings)

    def active(self):
        """Return the gateway that has the addresses; None where none or both have them."""
        held = [each for each in self.both if self.has_address(each)]
        return held[0] if len(held) == 1 else None

    def fit(self, gateway):
        path = gateway.settings.run_dir / "ha-weight"
        return path.exists() and path.read_text().strip() == "0"

    def knows(self, gateway, guest):
        """Tell whether a gateway knows a guest's lease and session, in the kernel."""
        return guest.mac in gateway.nft("list", "map", "inet", "parvis", "grant4").stdout

    @staticmethod
    def offers(gateway, mac):
        """Tell whether a gateway's dnsmasq was told to keep an address for a device whose lease the other gave."""
        file = gateway.settings.hosts_file
        if mac not in file.read_text():
            return False
        told = re.findall(r"timestamp=(\S+) .*event=process_told_to_reread .*name=dnsmasq", gateway.log("run"))
        return bool(told) and datetime.fromisoformat(told[-1]).timestamp() > file.stat().st_mtime

    def program(self, gateway, name):
        """Return the pid of a program that `parvis run gateway` has started, the last of that name."""
        rows = (gateway.settings.run_dir / "gateway.pids").read_text().splitlines()
        return [row["pid"] for row in map(json.loads, rows) if row["name"] == name][-1]

    def looked_at(self, gateway):
        """Return what `parvis doctor` says of the pair there."""
        with inside(gateway.gateway):
            return [checks.portal(gateway.settings), *doctor.checks(gateway.settings)]

    def cut_power(self, gateway):
        """End every process of a gateway at once, and its interfaces with them."""
        for place in ("lan0", "wan0", "site0"):
            run("ip", "-n", gateway.gateway, "link", "set", place, "down")
        gateway.kill("run", signal.SIGKILL)
        until(lambda: not self._kill_all(gateway), 60, "the end of its processes")

    @staticmethod
    def _kill_all(gateway):
        """Kill what still runs in a gateway's namespace, without a chance to end in order; return its pids."""
        pids = run("ip", "netns", "pids", gateway.gateway).stdout.split()
        for pid in map(int, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    def give_power(self, gateway):
        """Start a gateway again, as a boot does: without the addresses and rules that it had."""
        name = gateway.gateway
        (gateway.settings.run_dir / "ha-weight").unlink(missing_ok=True)
        run("ip", "-n", name, "address", "flush", "dev", "lan0")
        run("ip", "netns", "exec", name, "nft", "flush", "ruleset")
        for place in ("lan0", "wan0", "site0"):
            run("ip", "-n", name, "link", "set", place, "up")
        self._give_way(gateway)
        gateway.start_product()

    def _give_way(self, gateway):
        """Give a gateway its addresses and routes to the Internet."""
        name, tail = gateway.gateway, "2" if gateway is self.a else "3"
        for version, address, router in (("-4", "192.0.2.", "192.0.2.1"), ("-6", "2001:db8:1::", "2001:db8:1::1")):
            length = "24" if version == "-4" else "64"
            run("ip", "-n", name, version, "address", "replace", f"{address}{tail}/{length}", "dev", "wan0")
            run("ip", "-n", name, version, "route", "replace", "default", "via", router)
