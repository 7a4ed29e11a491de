# SPDX-License-Identifier: EUPL-1.2
"""The demo's folder: claimed by one demo at a time, and emptied of what an earlier one left."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.processes import end_strays

_LOCK = ".parvis-demo"  # also the proof that the folder is ours to empty


class FolderError(Exception):
    """The folder can't be used; the text says why and what to do."""


@dataclass(frozen=True)
class Claim:
    """A folder that is ours for as long as this process, or a child that it forked, lives."""

    folder: Path
    descriptor: int


def claim(folder: Path) -> Claim:
    """Make or take the folder, end processes of a killed run and remove its files. FolderError if it isn't ours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / _LOCK
        if not lock.exists() and any(folder.iterdir()):
            raise FolderError(f"{folder} holds files that no demo made. Give an empty or a new folder with --state.")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise FolderError(f"{folder} can't be written ({error.strerror}). Give another folder with --state.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderError(f"a demo runs in {folder} already. End it, or give another folder with --state.") from None
    end_strays(folder)
    _empty(folder)
    return Claim(folder, descriptor)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == _LOCK:
            continue
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        except OSError as error:
            raise FolderError(
                f"{error.filename or entry} of an earlier demo can't be removed ({error.strerror}): another user's? "
                "Remove it, or give another folder with --state."
            ) from error
