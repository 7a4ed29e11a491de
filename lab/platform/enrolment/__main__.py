# SPDX-License-Identifier: EUPL-1.2
"""The desk's command: `python -m lab.platform.enrolment FOLDER init|ticket|list|revoke|broker|serve`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lab.platform.enrolment import mosquitto
from lab.platform.enrolment.desk import Desk, Place
from lab.platform.enrolment.web import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing; 2 with a sentence on standard error where it can't be done."""
    options = _options(arguments)
    try:
        desk = Desk.open(options.folder)
        return int(options.act(desk, options))
    except (OSError, ValueError) as error:
        print(f"enrolment: {error}", file=sys.stderr)
        return 2


def _init(desk: Desk, options: argparse.Namespace) -> int:
    now, names = datetime.now(UTC), options.name
    desk.authority.serve_as(names, now)
    desk.authority.own("platform", "platform", [], now)
    host = f"[{names[0]}]" if ":" in names[0] else names[0]
    desk.register.setting("address", f"{host}:{options.port}")
    print(f"The authority's fingerprint is {desk.authority.fingerprint}.")
    return 0


def _ticket(desk: Desk, options: argparse.Namespace) -> int:
    root = options.root.read_text(encoding="utf-8") if options.root else ""
    if bool(root) != bool(options.content):
        raise ValueError("--content and --root go together.")
    place = Place(
        options.site, options.site_name or options.site, options.device, options.broker, bridge=options.bridge,
        names=tuple(options.name), content=options.content, root=root, days=options.days, hours=options.hours,
    )  # fmt: skip
    ticket = desk.ticket(place, datetime.now(UTC))
    print(json.dumps({"site": place.site, "device": place.device, "ticket": ticket}) if options.json else ticket)
    return 0


def _list(desk: Desk, _options: argparse.Namespace) -> int:
    for row in desk.certificates():
        until = datetime.fromtimestamp(row["expires_at"], UTC).date()
        state = row["reason"] if row["revoked_at"] else f"good until {until}"
        print(f"{row['site']}/{row['device']}  {row['serial'][:12]}  {state}")
    return 0


def _revoke(desk: Desk, options: argparse.Namespace) -> int:
    desk.after_revoking = _hang_up(options.broker_pid)
    taken = desk.revoke(options.site, options.device, datetime.now(UTC))
    print(f"{taken} certificates of {options.site}/{options.device} were taken back.")
    return 0 if taken else 1


def _broker(desk: Desk, options: argparse.Namespace) -> int:
    print(mosquitto.configuration(desk.authority.folder.absolute(), options.bind, options.port), end="")
    return 0


def _serve(desk: Desk, options: argparse.Namespace) -> int:
    desk.after_revoking = _hang_up(options.broker_pid)
    server, ending = Server(desk, options.bind, options.port), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server.start()
    print(f"ready https://{desk.register.setting('address')}/", flush=True)
    while not ending.wait(86400):
        desk.publish_revoked(datetime.now(UTC))  # the list has an end, so that an old one can't be passed off as new
    server.end()
    return 0


def _hang_up(pid_file: Path | None) -> Callable[[], None]:
    """Return what has the broker read its rules and the list again: SIGHUP to the process that the file names."""

    def tell() -> None:
        if pid_file is not None and pid_file.exists():
            os.kill(int(pid_file.read_text()), signal.SIGHUP)

    return tell


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.platform.enrolment", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the authority and the register")
    acts = parser.add_subparsers(required=True)
    init = acts.add_parser("init", help="make the authority, and certificates for our own servers")
    init.add_argument("--name", action="append", required=True, help="host name or address of our servers (repeatable)")
    init.add_argument("--port", type=int, default=8443, help="where the desk is")
    init.set_defaults(act=_init)
    ticket = acts.add_parser("ticket", help="print a ticket for one device")
    ticket.add_argument("site")
    ticket.add_argument("device")
    ticket.add_argument("--site-name", default="")
    ticket.add_argument("--broker", required=True, help="mqtts://… that this device connects to")
    ticket.add_argument("--bridge", action="store_true", help="a gateway whose own broker speaks for the site")
    ticket.add_argument("--name", action="append", default=[], help="address or name that its broker has on the site")
    ticket.add_argument("--content", default="", help="https://… of the signed repository")
    ticket.add_argument("--root", type=Path, help="its root.json")
    ticket.add_argument("--days", type=int, default=90, help="that each certificate lasts")
    ticket.add_argument("--hours", type=float, default=72, help="that the code can be used")
    ticket.add_argument("--json", action="store_true", help="for `parvis site labels`")
    ticket.set_defaults(act=_ticket)
    acts.add_parser("list", help="what was given").set_defaults(act=_list)
    revoke = acts.add_parser("revoke", help="take back every certificate of a device")
    revoke.add_argument("site")
    revoke.add_argument("device")
    revoke.set_defaults(act=_revoke)
    broker = acts.add_parser("broker", help="print the configuration of the platform's Mosquitto")
    broker.set_defaults(act=_broker)
    serve = acts.add_parser("serve", help="serve devices over HTTPS")
    serve.set_defaults(act=_serve)
    for each, port in ((broker, 8883), (serve, 8443)):
        each.add_argument("--bind", default="127.0.0.1")
        each.add_argument("--port", type=int, default=port)
    for each in (revoke, serve):
        each.add_argument("--broker-pid", type=Path, help="file with the broker's process id: it gets SIGHUP")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
