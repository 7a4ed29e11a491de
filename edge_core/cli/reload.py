# SPDX-License-Identifier: EUPL-1.2
"""`parvis reload`: every process reads its settings again, without losing a session or a connection of a guest."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_core import reread
from edge_core.cli import options
from edge_core.errors import ProcessError
from edge_core.settings import load, require_gateway

if TYPE_CHECKING:
    from edge_core.settings import Settings

_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
_TARGET = "parvis.target"
_SETUP, _DNSMASQ, _BROKER = "parvis-setup.service", "parvis-dnsmasq.service", "parvis-broker.service"
_APART = (_SETUP, "parvis-migrate.service", _DNSMASQ, _BROKER)
# A new start hands the pair's addresses over, or drops everybody from the radio: only where what they read has changed.
_UNTOUCHED = {"parvis-keepalived.service": "keepalived.conf", "parvis-access-point.service": "hostapd.conf"}


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
        _by_systemd(settings)
        click.echo("All units have read their settings again.")
    else:
        raise ProcessError("Parvis does not run here.", remedy="Start it; it then reads its settings anyway.")


def _by_systemd(settings: Settings) -> None:
    listed = _systemctl("list-dependencies", "--plain", "--no-legend", _TARGET)
    units = [unit for line in listed.splitlines() if (unit := line.strip()).startswith("parvis-")]
    services = [unit for unit in units if unit.endswith(".service")]
    before = _generated(settings)
    if _SETUP in services:
        _systemctl("restart", _SETUP)
    changed = [unit for unit, text in _generated(settings).items() if text != before[unit]]
    # dnsmasq reads its options again at a reload, its configuration only at a start.
    for unit in services:
        if unit in (_DNSMASQ, *changed):
            _systemctl("try-restart", unit)
    _systemctl("try-reload-or-restart", *(unit for unit in services if unit not in (*_APART, *_UNTOUCHED)))
    if _BROKER in services:
        _broker()


def _broker() -> None:
    """Have it read its certificates again: every connection stays. Where that isn't enough, it refuses."""
    try:
        _systemctl("try-reload-or-restart", _BROKER)
    except ProcessError:
        _systemctl("try-restart", _BROKER)


def _generated(settings: Settings) -> dict[str, str | None]:
    """Return what the set-up wrote for each of those that go on as they are."""
    files = {unit: settings.generated_dir / name for unit, name in _UNTOUCHED.items()}
    return {unit: file.read_text(encoding="utf-8") if file.exists() else None for unit, file in files.items()}


def _systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessError(
            f"systemctl {words[0]} failed: {done.stderr.strip()}.", remedy="Run it as root; see `systemctl status`."
        )
    return done.stdout
