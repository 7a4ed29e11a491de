# SPDX-License-Identifier: EUPL-1.2
"""`python -m lab.demo`: runs the whole zone on this computer until Ctrl-C, or plays its story once."""

import argparse
import os
import sys
from pathlib import Path

from lab.demo.folder import FolderError, claim
from lab.demo.plan import ROOT, Plan, Ports
from lab.demo.run import run
from lab.net.allowed import Allowance, Ground, allowed
from lab.net.isolate import run_isolated
from lab.ports import free_port
from lab.relay import PortTakenError, listen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="play the story once; exit 0 only if every step came true")
    parser.add_argument("--net", choices=("auto", "netns", "none"), default="auto", help="namespaces or none")
    parser.add_argument("--state", type=Path, default=ROOT / "build" / "demo", help="folder of all that it writes")
    parser.add_argument("--guests", type=int, default=40, metavar="N", help="phones in the crowd (1 to 200)")
    chosen = parser.parse_args()
    if not 1 <= chosen.guests <= 200:
        parser.error("--guests: expected 1 to 200")
    return chosen


def _ports() -> Ports:
    found = []
    for name, default in (("PORTAL_PORT", 8080), ("KIOSK_PORT", 8081), ("PLATFORM_PORT", 8082)):
        given = os.environ.get(name) or str(default)
        if not given.isdecimal() or not 0 < int(given) < 65536:
            raise SystemExit(f"demo: {name}={given!r} is no port. Give a number from 1 to 65535, or leave it out.")
        found.append(int(given))
    return Ports(*found)


def _allowance(net: str) -> Allowance:
    found = allowed()
    if net == "none":
        return Allowance(found.ground, "asked for by NET=none")
    if net == "netns" and found.ground == "none":
        raise SystemExit(
            f"demo: no network namespaces: {found.why}.\n"
            "  → Run it as root, allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or use NET=none."
        )
    return found


def _claim_ports(ports: Ports) -> dict[str, int]:
    """Return listening descriptors of the desktop's ports; the kernel gives them before anything is started."""
    taken = {}
    for name, port in vars(ports).items():
        try:
            made = listen(port)
        except PortTakenError as error:
            other = port + 1000 if port < 60000 else port - 1000
            raise SystemExit(
                f"demo: the {name}'s port is not free: {error}.\n"
                f"  → End the program that has it (ss -ltnp 'sport = :{port}' names it), or choose another port: "
                f"make demo {name.upper()}_PORT={other}"
            ) from None
        os.set_inheritable(made.fileno(), True)  # noqa: FBT003 - a positional-only argument of os
        taken[name] = made.detach()
    return taken


def main() -> int:
    """Decide on everything, then run it isolated; the exit code of the story."""
    chosen, ports = _arguments(), _ports()
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # Debian leaves them out for ordinary users; ip and nft are there
    allowance = _allowance(chosen.net)
    ground: Ground = allowance.ground
    try:
        held = claim(chosen.state.absolute())
    except FolderError as error:
        raise SystemExit(f"demo: {error}") from None
    relays = _claim_ports(ports)
    brokers = (1883, 1883)
    enforced = ground != "none" and chosen.net != "none"
    if not enforced:  # nothing stands between: the servers themselves will listen there
        for descriptor in relays.values():
            os.close(descriptor)
        relays, brokers = {}, (free_port(), free_port())
    plan = Plan(ground, enforced, held.folder, ports, brokers)
    return run_isolated(
        lambda: run(plan, relays, allowance.why, once=chosen.once, crowd=chosen.guests), ground, network=plan.enforced
    )


if __name__ == "__main__":
    sys.exit(main())
