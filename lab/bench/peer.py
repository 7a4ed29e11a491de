# SPDX-License-Identifier: EUPL-1.2
"""openNDS from Debian in a lane's gateway, with as little changed as this kernel demands.

Its script is used with another priority of two chains (iptables-nft of Debian 12 refuses -100 on newer kernels), put in
place in a mount namespace of its own together with the leases that it looks for; the machine's own files stay.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab.bench.forwarding import GATEWAY, Lane, address_of, mac_of

_SCRIPT = Path("/usr/lib/opennds/libopennds.sh")
_TRIES = 10
_CONFIG = """
GatewayInterface lan0
GatewayName essai
MaxClients 5000
debuglevel 0
FirewallRuleSet authenticated-users {
 FirewallRule allow all
}
FirewallRuleSet preauthenticated-users {
}
FirewallRuleSet users-to-router {
 FirewallRule allow udp port 53
 FirewallRule allow tcp port 53
 FirewallRule allow udp port 67
}
"""
_NAT = """
table ip lab {
 chain postrouting { type nat hook postrouting priority 110; policy accept;
  oifname "wan0" masquerade
 }
}
"""
# Its scripts are written for a shell that knows `&>`.
_START = """
set -e
mkdir -p {folder}/upper {folder}/work
mount -t overlay none -o lowerdir=/etc,upperdir={folder}/upper,workdir={folder}/work /etc
touch /etc/dnsmasq.conf
mount -t tmpfs none /run && mkdir -p /run/tmpfiles.d
mount -t tmpfs none /var/lib/misc && cp {folder}/leases /var/lib/misc/dnsmasq.leases
mkdir -p {folder}/tmp && mount --bind {folder}/tmp /tmp
mount --bind {script} {original}
mount --bind /bin/bash /bin/sh
PATH={folder}/stubs:$PATH exec {run}
"""


class Peer:
    """The peer in a lane that was opened and holds nothing else yet."""

    def __init__(self, lane: Lane) -> None:
        """Take the lane. Raises OSError where openNDS is not installed."""
        self._lane = lane
        self._original = _SCRIPT.read_text(encoding="utf-8")

    def start(self, devices: int) -> None:
        """Start it and wait until it answers. Raises RuntimeError where it does not."""
        lane, folder = self._lane, self._lane.folder
        lane.run("ip", "-batch", "-", stdin=f"link set lan0 up\naddr add {GATEWAY}/16 dev lan0\n")
        lane.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        lane.run("nft", "-f", "-", stdin=_NAT)
        lane.introduce(devices)
        script = folder / "libopennds.sh"
        script.write_text(self._original.replace("priority -100", "priority 0"), encoding="utf-8")
        script.chmod(0o755)
        (folder / "opennds.conf").write_text(_CONFIG, encoding="utf-8")
        end = int(time.time()) + 36_000
        rows = (f"{end} {mac_of(number)} {address_of(number)} * *\n" for number in range(devices))
        (folder / "leases").write_text("".join(rows), encoding="ascii")
        stub = folder / "stubs" / "systemctl"
        stub.parent.mkdir()
        stub.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
        stub.chmod(0o755)
        run = f"opennds -f -d 1 -c {folder}/opennds.conf"
        words = _START.format(folder=folder, script=script, original=_SCRIPT, run=run)
        lane.processes.start("opennds", ["sh", "-c", words], place="gateway")
        for _ in range(60):
            with suppress(OSError):
                if "2050" in lane.run("ss", "-ltn") and self._control("status"):
                    return
            time.sleep(0.5)
        raise RuntimeError(f"it does not start: {lane.processes.log('opennds').read_text()[-300:]}")

    def let_in(self, devices: int) -> None:
        """Let the first guest in by its own command, and write the same rules for the others as it did for that one.

        Letting a thousand in takes it minutes, and its watchdog often ends the attempt; packets meet the same rules.
        """
        lane = self._lane
        for _ in range(_TRIES):
            with suppress(OSError):
                words = ["curl", "-s", "-o", "/dev/null", "--max-time", "5", "--interface", "g0"]
                lane.zone.run("guests", *words, f"http://{GATEWAY}:2050/")
                break
        self._persist("auth", mac_of(0))
        rules = list(_rules_of(lane.run("nft", "-s", "list", "ruleset"), str(address_of(0))))
        if not rules:
            raise RuntimeError("its rules for a guest are not found")
        lines = [
            rule.replace(str(address_of(0)), str(address_of(number))).replace(mac_of(0), mac_of(number))
            for number in range(1, devices)
            for rule in rules
        ]
        lane.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")

    def _persist(self, *words: str) -> None:
        """Give a command again while the peer is too busy to take it."""
        for _ in range(_TRIES):
            with suppress(OSError):
                self._control(*words)
                return
            time.sleep(0.5)
        raise RuntimeError(f"it refused `ndsctl {words[0]}` {_TRIES} times")

    def _control(self, *words: str) -> str:
        process = self._lane.processes.running["opennds"]
        return self._lane.run("nsenter", f"--target={process.pid}", "--mount", "ndsctl", *words)


def _rules_of(ruleset: str, address: str) -> Iterator[str]:
    """Yield the commands that add the rules which name an address."""
    table = chain = ""
    for line in ruleset.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif address in words:
            yield f"add rule {table} {chain} {line.strip()}"
