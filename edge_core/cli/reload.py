# SPDX-License-Identifier: EUPL-1.2
"""`parvis reload`: every process reads its settings again, without losing a session or a connection of a guest."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from edge_core import reread
from edge_core.cli import options
from edge_core.errors import ProcessError
from edge_core.settings import load, require_gateway

_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
_TARGET = "parvis.target"
_APART = ("parvis-setup.service", "parvis-migrate.service", "parvis-dnsmasq.service")


@click.command()
@options.config
def reload(config: str) -> None:
    """Have every process of this device read its settings again. Wrong settings are refused and change nothing.

    The rules, if they change, are exchanged in one transaction that holds the sessions: nobody notices.
    """
    settings = load(config)
    if settings.lan.interface:
        require_gateway(settings)
    if reread.hang_up(settings.run_dir):
        click.echo("Told `parvis run` to read its settings again; its log says what came of it.")
    elif _SYSTEMD.is_dir() and shutil.which("systemctl"):
        _by_systemd(gateway=bool(settings.lan.interface))
        click.echo("All units have read their settings again.")
    else:
        raise ProcessError("Parvis does not run here.", remedy="Start it; it then reads its settings anyway.")


def _by_systemd(*, gateway: bool) -> None:
    listed = _systemctl("list-dependencies", "--plain", "--no-legend", _TARGET)
    units = [unit for line in listed.splitlines() if (unit := line.strip()).startswith("parvis-")]
    services = [unit for unit in units if unit.endswith(".service")]
    if gateway:
        _systemctl("restart", "parvis-setup.service")
    # dnsmasq reads its options again at a reload, its configuration only at a start.
    _systemctl("try-restart", "parvis-dnsmasq.service")
    _systemctl("try-reload-or-restart", *(unit for unit in services if unit not in _APART))


def _systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessError(
            f"systemctl {words[0]} failed: {done.stderr.strip()}.", remedy="Run it as root; see `systemctl status`."
        )
    return done.stdout
