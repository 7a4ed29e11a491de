# SPDX-License-Identifier: EUPL-1.2
"""`python -m sync.release --config FILE`: installs what the operator signed, as root without a capability; no network.

It verifies what `sync` brought with the content's own verifier and a trust of its own (/opt/parvis/trust), so that
whoever gets hold of `sync` still can't choose what runs here. One at a time, by a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
import subprocess
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface

from edge_core import clock, events, logs
from edge_core.errors import ContentError, ParvisError, ProcessError
from edge_core.store import database, outbox
from sync.downlink.road import Road
from sync.downlink.trust import load_root, signed
from sync.release import build, gate, trial
from sync.release import channel as channels
from sync.release.carry import carried, place
from sync.sharing import located

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_core.settings import Settings
    from sync.downlink.repository_format import FileRef
    from sync.release.channel import Channel
    from sync.release.shelf import Shelf
    from sync.release.trial import Outcome

# Debian's programs: a restart would have guests look for their WiFi or names again, or a pair change places, so they
# get one only where the new release's set-up wrote them something else to read. The front reads nothing of a release.
_READ = {
    "parvis-access-point.service": "hostapd.conf",
    "parvis-dnsmasq.service": "dnsmasq.conf",
    "parvis-keepalived.service": "keepalived.conf",
}
_KEPT = "parvis-front.service"
_URL = "carried://here"
_PIECE = 256 << 10
_log = logs.get(__name__)


class Carried(FetcherInterface):
    """Reads the repository from what `sync` keeps of it on this device."""

    def __init__(self, settings: Settings) -> None:
        """Take whose state to read."""
        self._settings = settings

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = located(url.removeprefix(f"{_URL}/"), self._settings)
        if path is None or path.is_symlink():
            raise DownloadHTTPError("that is no name of a repository", 404)
        try:
            data = path.read_bytes()  # metadata and a list: small
        except FileNotFoundError as error:
            raise DownloadHTTPError("nothing of that name was brought", 404) from error
        except OSError as error:
            raise DownloadError(f"{url}: {error.strerror}") from error
        return iter([data])


class Device:
    """What a trial touches, on a real device."""

    def __init__(self, settings: Settings) -> None:
        """Note how all was before anything is touched."""
        self._settings = settings
        self._before = gate.baseline(settings)
        self._units = gate.units()
        self._since = clock.monotonic()

    def build(self, bundle: Path, folder: Path) -> None:
        """Make the release's environment."""
        build.build(bundle, folder)

    def restart(self) -> None:
        """Restart what the release changes, in the order that the units say; the packet filter stays as it is."""
        _log.info("services_restart")
        self._since = clock.monotonic()
        before = self._written()
        self._restart([name for name in self._units if name not in _READ and name != _KEPT])
        after = self._written()
        self._restart([name for name in self._units if name in _READ and before[name] != after[name]])

    def trouble(self) -> str:
        """Wait until the device is well."""
        return gate.trouble(self._settings, self._before, self._units, self._since)

    def _restart(self, names: list[str]) -> None:
        """Restart services and wait until they are ready, or until it is for the gate to tell which isn't."""
        left = max(1.0, self._since + gate.PATIENCE - clock.monotonic())
        if names:
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(["systemctl", "try-restart", *names], check=False, timeout=left)

    def _written(self) -> dict[str, bytes]:
        """Return what the set-up wrote for each of Debian's programs; nothing where there is none."""
        files = {name: self._settings.generated_dir / file for name, file in _READ.items()}
        return {name: file.read_bytes() if file.exists() else b"" for name, file in files.items()}


def run(settings: Settings, shelf: Shelf) -> Outcome | None:
    """End what was cut, then install what is due; None where nothing is. Raises ParvisError."""
    with _alone(shelf):
        begun = clock.monotonic()
        # A release that brings the machine down must not be tried for ever: of one that was cut, the word still stands.
        cut = shelf.named("current") != shelf.named("proven")
        outcome = trial.settle(shelf, Device(settings), _sequence(settings, shelf) if cut else 0)
        if outcome.what == "unchanged":
            found = due(settings, shelf)
            if found is None:
                return None
            name, bundle, sequence = found
            outcome = _bring(settings, shelf, name, bundle, sequence)
            bundle.unlink(missing_ok=True)
        tell(settings, outcome, clock.monotonic() - begun)
        shelf.sweep()
        return outcome


def go_back(settings: Settings, shelf: Shelf, name: str) -> Outcome:
    """Run an earlier release again, judged like any other; what runs now is refused then. Raises ParvisError."""
    with _alone(shelf):
        begun, leaving = clock.monotonic(), shelf.named("current")
        outcome = trial.switch(shelf, Device(settings), name)
        if outcome.what == "installed":
            shelf.refuse(leaving, _sequence(settings, shelf))
        tell(settings, outcome, clock.monotonic() - begun)
        return outcome


def due(settings: Settings, shelf: Shelf) -> tuple[str, Path, int] | None:
    """Return (release, verified bundle, sequence) that the operator wants here and that isn't. Raises ContentError."""
    word = _word(settings, shelf)
    if word is None:
        return None
    bundle = word.wanted(settings.site.id, settings.device.id, place())
    name = word.name(place())
    if bundle is None or name == shelf.named("current") or shelf.refuses(name, word.sequence):
        return None
    return name, _verified(bundle, carried(settings) / f"{bundle.sha256}.tar", shelf), word.sequence


def tell(settings: Settings, outcome: Outcome, seconds: float) -> None:
    """Say how it ended, in the log and to the platform. Never raises: the device runs whatever becomes of the word."""
    _log.info("release_ended", what=outcome.what, release=outcome.release, reason=outcome.reason)
    told = events.ReleaseEnded(
        release=outcome.release[:120],
        before=outcome.before[:120],
        outcome=outcome.what,
        reason=outcome.reason[:200],
        seconds=round(seconds),
    )
    try:
        with closing(database.open_edge(settings.edge_db)) as connection, database.write(connection):
            outbox.append(connection, told, clock.now())
    except (ParvisError, sqlite3.Error, OSError) as error:
        _log.error("release_not_told", reason=str(error))


def _word(settings: Settings, shelf: Shelf) -> Channel | None:
    """Return what the operator says, verified; None where nothing is said. Raises ContentError."""
    root = load_root(settings.content.root)
    said = signed(Road(_URL, Carried(settings)), shelf.home / "trust", root).releases
    return channels.read(said) if said else None


def _sequence(settings: Settings, shelf: Shelf) -> int:
    try:
        word = _word(settings, shelf)
    except ParvisError:
        return 0
    return word.sequence if word else 0


def _bring(settings: Settings, shelf: Shelf, name: str, bundle: Path, sequence: int) -> Outcome:
    before = shelf.named("current")
    try:
        return trial.bring(shelf, Device(settings), name, bundle, sequence)
    except ProcessError as error:
        shelf.refuse(name, sequence)
        return trial.Outcome("refused", name, before, str(error))


def _verified(bundle: FileRef, brought: Path, shelf: Shelf) -> Path:
    """Copy a bundle to where nobody else writes while its digest is taken. Raises ContentError where it is another."""
    target = shelf.home / "incoming.tar"
    digest, size = hashlib.sha256(), 0
    try:
        with brought.open("rb") as source, target.open("wb") as copy:
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                if size > bundle.bytes:
                    break
                copy.write(piece)
    except OSError as error:
        target.unlink(missing_ok=True)  # on a full disk it must not stay in everybody's way
        raise ContentError(
            f"The bundle {brought.name} can't be copied to {target} ({error.strerror}).",
            remedy="It is fetched again; make room where the disk is full.",
        ) from error
    if size != bundle.bytes or digest.hexdigest() != bundle.sha256:
        target.unlink()
        raise ContentError(f"The bundle {brought.name} is not the one that was signed.", remedy="It is fetched again.")
    return target


@contextmanager
def _alone(shelf: Shelf) -> Iterator[None]:
    with (shelf.home / ".lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProcessError(
                "Another release is being installed.", remedy="Wait for it: parvis release status."
            ) from error
        yield
