# SPDX-License-Identifier: EUPL-1.2
"""The third road: a USB stick with a copy of the repository. What is on it is verified as if it came from anywhere.

It is mounted read-only, without devices, set-user-id or execution, by mount(2) itself: that needs one capability, where
the command of that name wants root. Every file is opened by a name that can't leave the stick.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface

from edge_core import clock, logs, stick_receipt
from edge_core.errors import ContentError
from edge_core.stick_receipt import Receipt
from sync.downlink.road import Road

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_core.hotplug import Change
    from edge_core.settings import Settings
    from sync.downlink import Downlink, Result
    from sync.downlink.apply import Progress

_URL = "stick://here"
_NODE = re.compile(r"/dev/[a-z0-9]{1,20}")
_LIBC = ctypes.CDLL(None, use_errno=True)
_OPTIONS = 1 | 2 | 4 | 8 | 1024  # MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME
_DETACH = 2  # MNT_DETACH
_KINDS = ("vfat", "exfat", "ext4", "iso9660", "udf", "ntfs3")  # the kernel itself says which of them it is
_OTHER_KIND = (errno.EINVAL, errno.ENODEV, errno.EUCLEAN)  # not that one, or this kernel doesn't know it
_PIECE = 256 << 10
_TELL_SECONDS = 2.0  # between two words on how far it is
_PLACES = ("", "parvis", "repository")  # where a repository may be on a stick
_log = logs.get(__name__)


class FolderFetcher(FetcherInterface):
    """Reads a repository in a folder as if it were a web server; follows no symbolic link."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._pieces(self._open(url.removeprefix(_URL).lstrip("/")))

    def _open(self, name: str) -> int:
        """Open a file part by part, so that neither `..` nor a link leads out of the folder."""
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise DownloadHTTPError(f"no such file {name!r}", 404)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        here = -1
        try:
            here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in parts:
                here, before = os.open(part, flags, dir_fd=here), here
                os.close(before)
            if not stat.S_ISREG(os.fstat(here).st_mode):
                raise FileNotFoundError(name)
        except OSError as error:
            if here >= 0:
                os.close(here)
            if isinstance(error, (FileNotFoundError, NotADirectoryError)) or error.errno == 40:  # ELOOP: a link
                raise DownloadHTTPError(f"no such file {name!r}", 404) from error
            raise DownloadError(f"{name} can't be read ({error.strerror})") from error
        return here

    def _pieces(self, descriptor: int) -> Iterator[bytes]:
        with os.fdopen(descriptor, "rb") as file:
            try:
                while piece := file.read(_PIECE):
                    yield piece
            except OSError as error:  # pulled half-way
                raise DownloadError(f"the stick was pulled out ({error.strerror})") from error


def repository_in(folder: Path) -> Path | None:
    """Return where a repository is on a stick, or None."""
    for place in _PLACES:
        linked = bool(place) and (folder / place).is_symlink()
        if not linked and (folder / place / "metadata" / "timestamp.json").is_file():
            return folder / place
    return None


def take(downlink: Downlink, folder: Path, progress: Progress | None = None) -> Result:
    """Bring the content of a folder to this device, verified. Raises ContentError where there is no repository."""
    found = repository_in(folder)
    if found is None:
        raise ContentError(
            f"There is no content repository in {folder}.",
            remedy="Copy the whole published repository to the stick, or into its folder parvis/.",
        )
    return downlink.check(Road(_URL, FolderFetcher(found)), progress)


@contextmanager
def mounted(node: str) -> Iterator[Path]:
    """Mount a stick read-only for the block. Raises ContentError. Needs the right to mount."""
    if not _NODE.fullmatch(node):
        raise ContentError(f"{node!r} is no block device.", remedy="Name it as /dev/sda1.")
    with tempfile.TemporaryDirectory(prefix="parvis-stick-") as name:
        _mount(node, name)
        try:
            yield Path(name)
        finally:
            _LIBC.umount2(name.encode(), _DETACH)


def _mount(node: str, folder: str) -> None:
    """Mount a block device as whatever the kernel knows it to be. Raises ContentError."""
    reason = errno.EINVAL
    for kind in _KINDS:
        if _LIBC.mount(node.encode(), folder.encode(), kind.encode(), _OPTIONS, None) == 0:
            return
        reason = ctypes.get_errno()
        if reason not in _OTHER_KIND:
            break
    remedy = "Run it as root." if reason == errno.EPERM else "Use FAT32, exFAT or ext4, or try another stick."
    raise ContentError(f"{node} can't be mounted ({os.strerror(reason)}).", remedy=remedy)


def react(change: Change, settings: Settings, downlink: Downlink) -> Result | None:
    """Take the content of a stick that was plugged in; None for everything else, and for one without a repository."""
    if not change.came or change.device.role != "stick" or settings.content.root is None:
        return None
    try:
        with mounted(change.device.node) as folder:
            result = take(downlink, folder, _reading(change.device.node, settings))
    except ContentError as error:
        _log.warning("stick_not_taken", reason=str(error))
        _conclude(change.device.node, str(error), settings)
        return None
    _log.info("stick_taken", version=result.version, changed=result.changed, reason=str(result.error or ""))
    _conclude(change.device.node, str(result.error or ""), settings)
    return result


def _reading(node: str, settings: Settings) -> Progress:
    """Return who tells, now and then, how far it is to whoever stands at the screen."""
    due = 0.0

    def told(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _TELL_SECONDS
            _leave(Receipt(node, "reading", "", clock.now(), 100 * done // max(total, 1)), settings)

    told(0, 1)
    return told


def _conclude(node: str, reason: str, settings: Settings) -> None:
    """Tell what became of it: taken where there is no reason against."""
    told = stick_receipt.plain(reason.replace(f"The content at {_URL}", "The stick's content"))
    _leave(Receipt(node, "rejected" if reason else "taken", told, clock.now()), settings)


def _leave(receipt: Receipt, settings: Settings) -> None:
    """Leave a receipt; a full disk keeps it in the log alone."""
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        stick_receipt.write(settings.run_dir, receipt)
    except OSError as error:
        _log.warning("stick_receipt_not_left", reason=error.strerror)
