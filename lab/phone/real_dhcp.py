# SPDX-License-Identifier: EUPL-1.2
"""The real phone's DHCP client: udhcpc or dhclient, whichever the machine has; our own client otherwise."""

import os
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

from lab.phone import dhcp
from lab.phone.lease import Lease

# Both clients tell a script what they were given by its environment; this one only writes it down.
_SCRIPT = '#!/bin/sh\ncase "$1$reason" in bound|renew|BOUND|RENEW|REBOOT) env >"$PARVIS_LAB_LEASE";; esac\n'
_DHCLIENT = (
    "option captive-portal code 114 = text;\n"
    "request subnet-mask, routers, domain-name-servers, captive-portal;\n"
)  # fmt: skip


def available() -> str:
    """Name of the client that `obtain` will use, for people."""
    for name in ("udhcpc", "dhclient"):
        if shutil.which(name):
            return name
    return "busybox udhcpc" if _busybox_has_it() else "our own client"


def _busybox_has_it() -> bool:
    if not shutil.which("busybox"):
        return False
    applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True, timeout=10, check=False).stdout
    return "udhcpc" in applets.split()


def _words(client: str, interface: str, folder: Path, script: Path) -> list[str]:
    if client == "dhclient":
        configuration = folder / "dhclient.conf"
        configuration.write_text(_DHCLIENT, encoding="ascii")
        files = ["-cf", str(configuration), "-lf", str(folder / "dhclient.leases"), "-pf", str(folder / "dhclient.pid")]
        return ["dhclient", "-4", "-1", "-sf", str(script), *files, interface]
    quick = ["-f", "-q", "-n", "-t", "8", "-T", "1"]
    return [*client.split(), "-i", interface, *quick, "-s", str(script), "-O", "114"]


def obtain(interface: str, folder: Path) -> Lease:
    """Get a lease for the interface with files in `folder`; NoLeaseError when none came."""
    client = available()
    if client == "our own client":
        return dhcp.obtain(interface)
    folder.mkdir(parents=True, exist_ok=True)
    script, given = folder / "lease-script", folder / "lease"
    script.write_text(_SCRIPT, encoding="ascii")
    script.chmod(0o755)
    given.unlink(missing_ok=True)
    done = subprocess.run(
        _words(client, interface, folder, script), capture_output=True, text=True, timeout=40, check=False,
        env={**os.environ, "PARVIS_LAB_LEASE": str(given)},
    )  # fmt: skip
    if not given.exists():
        raise dhcp.NoLeaseError(f"{client} got no lease: {done.stderr.strip()[-300:]}")
    pairs = (line.partition("=") for line in given.read_text(encoding="utf-8").splitlines())
    return read(interface, {key: value for key, _, value in pairs})


def read(interface: str, told: dict[str, str]) -> Lease:
    """Return the lease that a client told its script, in udhcpc's names or in dhclient's."""

    def first(*names: str) -> str:
        return next((told[name].split()[0] for name in names if told.get(name)), "")

    portal = first("captive_portal", "new_captive_portal", "opt114").strip('"')
    if told.get("opt114") and not portal.startswith("http"):
        portal = bytes.fromhex(portal).decode("ascii", "replace")
    return Lease(
        interface,
        IPv4Address(first("ip", "new_ip_address")),
        IPv4Address(first("router", "new_routers")),
        IPv4Address(first("dns", "new_domain_name_servers")),
        int(first("lease", "new_dhcp_lease_time") or 0),
        portal,
    )
