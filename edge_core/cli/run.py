# SPDX-License-Identifier: EUPL-1.2
"""`parvis run`: all programs of a role in the foreground, without systemd, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import click

from edge_core import leftovers, logs, memory, roles
from edge_core.cli import options
from edge_core.errors import NetworkError, ParvisError, ProcessError
from edge_core.settings import load, require_gateway
from edge_core.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_core.settings import Settings
    from edge_core.supervise import Program

_log = logs.get(__name__)
_IP_FREEBIND = 15  # ip(7): the LAN's address may not exist yet; only the port is asked about


@click.command()
@click.argument("role", type=click.Choice(roles.ROLES))
@options.config
def run(role: str, config: str) -> None:
    """Run every program of ROLE here, each started again when it dies; Ctrl-C ends them.

    gateway: DHCP, DNS, packet filter, portal, the site's broker, sync. kiosk: the kiosk's pages and sync. site: both.
    When a gateway stops, its rules stay: nobody new gets through, sessions live out their time; `parvis gateway clear`
    takes the rules back.
    """
    settings = load(config)
    if role != "kiosk":
        require_gateway(settings)
    logs.configure("run")
    memory.forbid_dumps()
    record = _make_folders(settings) / f"{role}.pids"
    _refuse_second_run(settings)
    ours = settings.run_dir / f"{role}.run"
    ours.unlink(missing_ok=True)
    leftovers.remember(ours, "run", os.getpid())
    leftovers.end(record)
    _refuse_taken_ports(role, settings)
    for step in roles.preparations(role, settings):
        _prepare(step)
    supervisor = Supervisor(
        roles.programs(role, settings),
        on_start=lambda name, pid: leftovers.remember(record, name, pid),
        on_reload=lambda: _reload(role, config),
    )
    supervisor.run()
    record.unlink(missing_ok=True)
    ours.unlink(missing_ok=True)


def _reload(role: str, config: str) -> Sequence[Program] | None:
    """Set up anew with the settings as they are now; where they are wrong, say so and go on with the old ones."""
    try:
        settings = load(config)
        if role != "kiosk":
            require_gateway(settings)
        for step in roles.preparations(role, settings):
            _prepare(step)
    except ParvisError as error:
        _log.error("settings_refused", reason=str(error))
        return None
    _log.info("settings_read_again")
    return roles.programs(role, settings)


def _make_folders(settings: Settings) -> Path:
    try:
        for folder in (settings.device.state_dir, settings.run_dir, settings.generated_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as error:
        raise ParvisError(
            f"{settings.device.state_dir}: can't be used as the state folder ({error.strerror}).",
            remedy="Make it a folder that this user may write, or change [device] state_dir.",
        ) from error
    return settings.run_dir


def _refuse_second_run(settings: Settings) -> None:
    """Refuse to end the programs of a run that is alive, and to share its store: each role has one `sync`."""
    for role in roles.ROLES:
        for pid in leftovers.alive(settings.run_dir / f"{role}.run"):
            raise ProcessError(
                f"`parvis run {role}` (process {pid}) runs already with the state folder {settings.device.state_dir}.",
                remedy="End it first; for both roles on one device there is `parvis run site`.",
            )


def _prepare(command: Sequence[str]) -> None:
    """Run one step to its end; what it says goes to our own standard error, so nothing needs repeating."""
    if subprocess.run(command, check=False).returncode != 0:
        raise ProcessError(f"The step `{' '.join(command[2:4])}` failed: nothing was started.", remedy="See above.")


def _refuse_taken_ports(role: str, settings: Settings) -> None:
    for program, address, port, setting in roles.listens(role, settings):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise NetworkError(
                        f"{program}: port {port} on {address} is taken by another program.",
                        remedy=f"End that program (`ss -ltnp 'sport = :{port}'` names it), or change {setting}.",
                    ) from None
                raise NetworkError(f"{program}: can't listen on {address}, port {port} ({error.strerror}).") from error
