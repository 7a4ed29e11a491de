# SPDX-License-Identifier: EUPL-1.2
"""Brings the bundle of a release that is this device's turn to where the installer finds it; installs nothing.

It runs in `sync`, without any right over programs: the installer believes nothing of it and verifies everything again.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_core import logs
from edge_core.errors import ParvisError
from sync.downlink.blobs import require_room
from sync.release import channel as channels

if TYPE_CHECKING:
    from edge_core.settings import Settings
    from sync.downlink.repository_format import FileRef
    from sync.downlink.road import Road

DUE = "due"  # a file in the folder: its change wakes the installer (systemd/parvis-release.path)
_log = logs.get(__name__)


def carried(settings: Settings) -> Path:
    """Return the folder of bundles that were fetched."""
    return settings.device.state_dir / "releases"


def place() -> str:
    """Return what this device runs on, as bundles are named: py311-aarch64."""
    return f"py{sys.version_info.major}{sys.version_info.minor}-{platform.machine()}"


def running() -> str:
    """Return the name of the release that this process is of; "" outside of a device."""
    prefix = Path(sys.prefix).resolve()  # units start it through the link `current`
    return prefix.name if prefix.parent.name == "releases" else ""


def carry(said: bytes, settings: Settings, road: Road) -> None:
    """Fetch what the operator's word asks of this device, once. Never raises: content goes on without it."""
    if not said or not running():
        return
    try:
        word = channels.read(said)
        bundle = word.wanted(settings.site.id, settings.device.id, place())
        name = word.name(place())
        folder = carried(settings)
        target = folder / f"{bundle.sha256}.tar" if bundle is not None else None
        if bundle is None or target is None or name == running():
            return
        if not (target.is_file() and target.stat().st_size == bundle.bytes):
            _forget_others(folder, bundle)
            require_room(bundle.bytes, folder)
            road.fetch_to(channels.bundle_path(bundle), bundle, target)
        _let_the_installer_read(settings.tuf_dir)
        due = folder / DUE
        told = f"{word.sequence} {name}\n"
        if not due.is_file() or due.read_text(encoding="ascii") != told:
            fresh = folder / f".{DUE}.new"
            fresh.write_text(told, encoding="ascii")
            fresh.replace(due)
            _log.info("release_due", release=name, sequence=word.sequence)
    except (ParvisError, OSError, ValueError) as error:
        _log.warning("release_not_carried", reason=str(error))


def _forget_others(folder: Path, bundle: FileRef) -> None:
    """Make room: take away the bundles of other releases, those of which only a part came too."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.tar*"):
        if not old.name.startswith(f".{bundle.sha256}."):
            old.unlink()


def _let_the_installer_read(folder: Path) -> None:
    """Give the group the metadata, which python-tuf writes for its owner alone; the installer may read no more."""
    files = ("metadata/*.json", "metadata/root_history/*.json", "targets/*")
    for path in (path for pattern in files for path in folder.glob(pattern)):
        path.chmod(0o640)
