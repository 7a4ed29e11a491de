# SPDX-License-Identifier: EUPL-1.2
"""The releases on a device and the links that say which runs; every change of a link is one rename, made durable.

    releases/NAME/     a virtual environment; whole when it holds `.complete`
    current            what the units run
    proven             the last release that was well, and the one that the installer itself runs from
    previous           the one before it, for going back by hand

`current` and `proven` differ only while a release is on trial, also after a power cut in the middle of it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from edge_core import durable
from edge_core.errors import ProcessError

HOME = Path("/opt/parvis")
_COMPLETE = ".complete"
_REFUSED = "refused"


class Shelf:
    """The folder; `home` is another one than the device's in tests."""

    def __init__(self, home: Path = HOME) -> None:
        """Look at nothing yet."""
        self.home = home

    def named(self, link: str) -> str:
        """Return the name of the release that a link points to; "" where there is none."""
        try:
            return Path((self.home / link).readlink()).name
        except OSError:
            return ""

    def folder(self, name: str) -> Path:
        """Return where a release is, or will be."""
        return self.home / "releases" / name

    def holds(self, name: str) -> bool:
        """Tell whether a release is there, whole."""
        return bool(name) and (self.folder(name) / _COMPLETE).is_file()

    def complete(self, name: str) -> None:
        """Note that a release is whole: everything of it is on the disk before the note is."""
        _sync_file_system(self.folder(name))
        durable.replace(self.folder(name) / _COMPLETE, f"{name}.tar\n".encode())
        durable.settle(self.folder(name))

    def point(self, link: str, name: str) -> None:
        """Let a link point to a release, which must be whole. Raises ProcessError."""
        if not self.holds(name):
            raise ProcessError(f"The release {name} is not whole.", remedy="Install it again.")
        fresh = self.home / f".{link}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.folder(name))
        fresh.replace(self.home / link)
        durable.settle(self.home)

    def prove(self) -> None:
        """Take what runs for good; what was proven before becomes what one can go back to."""
        name, before = self.named("current"), self.named("proven")
        if before not in ("", name) and self.holds(before):
            self.point("previous", before)
        self.point("proven", name)

    def refuses(self, name: str, sequence: int) -> bool:
        """Tell whether a release was not well here, and its operator has said nothing new since."""
        try:
            known = (self.home / _REFUSED).read_text(encoding="ascii").split()
        except OSError:
            return False
        return known == [name, str(sequence)]

    def refuse(self, name: str, sequence: int) -> None:
        """Note that a release was not well here."""
        durable.replace(self.home / _REFUSED, f"{name} {sequence}\n".encode())
        durable.settle(self.home)

    def sweep(self) -> list[str]:
        """Take away the releases that no link points to; return their names."""
        kept = {self.named(link) for link in ("current", "proven", "previous")}
        names = {path.name.removesuffix(".wheels") for path in (self.home / "releases").iterdir()}
        for name in names - kept:
            shutil.rmtree(self.folder(name), ignore_errors=True)
            shutil.rmtree(self.folder(f"{name}.wheels"), ignore_errors=True)
        return sorted(names - kept)


def _sync_file_system(folder: Path) -> None:
    """Bring every write below `folder` to the disk, syncfs(2)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)
