# SPDX-License-Identifier: EUPL-1.2
"""Puts the support bundle together: facts of the device as JSON files in a .tar.gz, each part on its own feet.

A part that can't be gathered says why in its place: a bundle is made when something is broken.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_core import __version__, clock
from edge_core.cli import status
from edge_core.doctor import command as doctor
from edge_core.doctor import wear
from edge_core.errors import ParvisError
from edge_core.store import database, outbox
from edge_core.support import hardware, journal, strike

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

LINES = 5000
_PACKAGES = (
    "nftables",
    "dnsmasq-base",
    "mosquitto",
    "nginx-light",
    "nginx",
    "chromium",
    "labwc",
    "cage",
    "hostapd",
    "python3",
)
_HEAD = """Parvis support bundle
=====================
Holds: versions, the settings (secrets struck out), what `parvis doctor` and `parvis status` say, the loss account,
numbers of rows, hardware health, and of the journal which event happened when, with its numbers.

Holds no name, no hardware or network address of anybody, no code, no key, no password, and no content of a request,
a visit or an event. What isn't known to be harmless was left out or struck out. Look for yourself: it is all JSON.
"""


def gather(role: str, settings: Settings) -> dict[str, Any]:
    """Return the parts by file name, ready for JSON and already struck."""
    parts: dict[str, Callable[[], Any]] = {
        "versions.json": versions,
        "settings.json": lambda: strike.settings(settings),
        "doctor.json": lambda: [asdict(finding) for finding in doctor.findings(role, settings)],
        "status.json": lambda: _status(settings),
        "store.json": lambda: _store(settings),
        "hardware.json": lambda: _hardware(settings),
    }
    return {name: strike.everything(_try(part)) for name, part in parts.items()} | {"journal.json": _try(_journal)}


def write(target: Path, parts: dict[str, Any], now: float) -> None:
    """Write the bundle, whole or not at all, for its owner's eyes. Raises ParvisError naming the file."""
    fresh = target.with_name(f"{target.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            _add(archive, "README.txt", _HEAD.encode(), now)
            for name, value in parts.items():
                _add(archive, name, json.dumps(value, ensure_ascii=False, indent=1).encode(), now)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ParvisError(
            f"{target}: can't be written ({error.strerror}).", remedy="Give another place with --output."
        ) from error


def versions() -> dict[str, Any]:
    """Return what runs here."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "parvis": __version__,
        "python": platform.python_version(),
        "system": release.get("PRETTY_NAME", ""),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "model": hardware.model(),
        "packages": _packages(),
    }


def _packages() -> dict[str, str]:
    program = shutil.which("dpkg-query")
    if program is None:
        return {}
    words = [program, "--show", "--showformat=${Package} ${Version}\\n", *_PACKAGES]
    out = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False).stdout
    return dict(row.split(" ", 1) for row in out.splitlines() if not row.endswith(" "))


def _status(settings: Settings) -> dict[str, Any]:
    facts = status.gather(settings)
    facts["rogues"] = len(facts["rogues"])
    facts.pop("certificate", None)  # `doctor` says it
    return facts


def _store(settings: Settings) -> dict[str, Any]:
    with closing(database.open_edge(settings.edge_db)) as connection:
        accounts = {name: asdict(account) for name, account in outbox.accounts(connection).items()}
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in sorted(names)}
    sizes = {path.name: path.stat().st_size for path in settings.device.state_dir.glob("*.db*")}
    return {"accounts": accounts, "rows": rows, "bytes": sizes}


def _hardware(settings: Settings) -> dict[str, Any]:
    free = shutil.disk_usage(settings.device.state_dir)
    worn = wear.of(settings.device.state_dir, clock.monotonic())
    return {
        **asdict(hardware.read()),
        "load": os.getloadavg(),
        "disk": {"total": free.total, "free": free.free},
        "wear": worn.told() if worn else None,
        "uptime": round(clock.monotonic()),
    }


def _journal() -> dict[str, Any]:
    told: list[dict[str, Any]] = []
    others = 0
    for found in journal.read(since="", count=LINES):
        line = strike.line(found)
        if line is None:
            others += 1
        else:
            told.append(line)
    return {"lines": told, "lines_of_others_left_out": others}


def _try(part: Callable[[], Any]) -> Any:
    try:
        return part()
    except (ParvisError, OSError, ValueError, subprocess.SubprocessError) as error:
        return {"not_gathered": strike.text(getattr(error, "message", "") or type(error).__name__)}


def _add(archive: tarfile.TarFile, name: str, body: bytes, now: float) -> None:
    entry = tarfile.TarInfo(f"parvis-support/{name}")
    entry.size, entry.mtime, entry.mode = len(body), int(now), 0o600
    archive.addfile(entry, io.BytesIO(body))
