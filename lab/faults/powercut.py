# SPDX-License-Identifier: EUPL-1.2
"""What a disk may hold after the power went: replays a recorded run up to any moment, with the rest lost or torn.

`kill -9` keeps the page cache and so proves nothing about power. Here a run is recorded once by a shim (powercut.c),
and then cut thousands of times: what was made durable (fsync) before the moment is there; of each later write, whole, a
part in sectors, or nothing, by chance, as a drive with a cache may do it.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_HEADER = struct.Struct("<c3xIQQ")
_SECTOR = 512
_SOURCE = Path(__file__).with_suffix(".c")
PROMISES = "promises"  # a file of the run: each line is something that a person was told


@dataclass(frozen=True)
class Step:
    """One change: kind W (write), T (truncate), S (made durable), U (unlink)."""

    kind: str
    path: str
    offset: int
    data: bytes


@dataclass
class _File:
    """One file as it was made durable last, and what came after that."""

    durable: bytearray = field(default_factory=bytearray)
    later: list[Step] = field(default_factory=list)
    exists: bool = True


def is_possible() -> bool:
    """Tell whether the shim can be built here."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def build(folder: Path) -> Path:
    """Compile the shim into `folder`; return the library."""
    library = folder / "powercut.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"], check=True)
    return library


def record(library: Path, prefix: Path, words: Sequence[str], timeout: float = 120) -> list[Step]:
    """Run a command with every change below `prefix` recorded; return the steps in order."""
    log = prefix.with_name(f"{prefix.name}.steps")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library), "POWERCUT_PREFIX": str(prefix), "POWERCUT_LOG": str(log), "POWERCUT_FAST": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    subprocess.run(words, env=environment, check=True, timeout=timeout)
    return read(log.read_bytes())


def read(log: bytes) -> list[Step]:
    """Return the steps of a record."""
    steps, at = [], 0
    while at + _HEADER.size <= len(log):
        kind, name, offset, size = _HEADER.unpack_from(log, at)
        at += _HEADER.size
        path = log[at : at + name].decode()
        at += name
        steps.append(Step(kind.decode(), path, offset, log[at : at + size]))
        at += size
    return steps


def promises(steps: Sequence[Step]) -> list[str]:
    """Return what people had been told after these steps."""
    told = b"".join(step.data for step in steps if step.kind == "W" and step.path.endswith(f"/{PROMISES}"))
    return told.decode().splitlines()


class Disk:
    """Replays steps one by one, and can be cut after any of them."""

    def __init__(self, prefix: Path) -> None:
        """Begin with an empty disk that stands for the files below `prefix`."""
        self._prefix = prefix
        self._files: dict[str, _File] = {}

    def take(self, step: Step) -> None:
        """Let one step happen."""
        if Path(step.path) == self._prefix:
            return  # the folder itself was made durable: its names are taken to be there
        file = self._files.setdefault(step.path, _File())
        if step.kind == "S":
            for each in file.later:
                _apply(file.durable, each)
            file.later = []
        elif step.kind == "U":
            file.exists = False
            file.durable, file.later = bytearray(), []
        else:
            file.exists = True
            file.later.append(step)

    def cut(self, target: Path, dice: random.Random) -> None:
        """Write into `target` what the disk holds if the power goes now."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        mode = dice.choice(("nothing", "all", "some", "torn"))
        for path, file in self._files.items():
            if not file.exists or path.endswith(("-shm", f"/{PROMISES}")):  # shared memory is no disk
                continue
            image = bytearray(file.durable)
            for step in file.later:
                _lose(image, step, mode, dice)
            (target / Path(path).relative_to(self._prefix)).write_bytes(image)


def _lose(image: bytearray, step: Step, mode: str, dice: random.Random) -> None:
    if mode == "nothing" or (mode != "all" and dice.random() < 0.5):
        return
    if mode != "torn" or step.kind != "W":
        _apply(image, step)
        return
    for start in range(0, len(step.data), _SECTOR):
        if dice.random() < 0.5:
            _apply(image, Step("W", step.path, step.offset + start, step.data[start : start + _SECTOR]))


def _apply(image: bytearray, step: Step) -> None:
    if step.kind == "T":
        del image[step.offset :]
        image.extend(bytes(step.offset - len(image)))
        return
    end = step.offset + len(step.data)
    if len(image) < end:
        image.extend(bytes(end - len(image)))
    image[step.offset : end] = step.data
