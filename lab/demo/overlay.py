# SPDX-License-Identifier: EUPL-1.2
"""A copy of the demo's content that follows its source: the story changes the copy, a person may change either.

Its weather forecast is moved to today.
"""

import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lab.demo import forecast

_LOOK_SECONDS = 0.5

Stamps = dict[Path, tuple[int, int]]


def stamps(folder: Path) -> Stamps:
    """Return modification time and size of each file, by its path below the folder."""
    found: Stamps = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                about = path.stat()
                found[path.relative_to(folder)] = (about.st_mtime_ns, about.st_size)
    return found


def follow(source: Path, copy: Path, before: Stamps, now: Stamps) -> int:
    """Bring what changed in the source since `before` into the copy; the number of files."""
    changed = [path for path, stamp in now.items() if before.get(path) != stamp]
    gone = [path for path in before if path not in now]
    for path in changed:
        target = copy / path
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        with suppress(FileNotFoundError):
            shutil.copyfile(source / path, fresh)
            if path.name == forecast.FILE:
                fresh.write_text(forecast.of_today(fresh.read_text(encoding="utf-8"), time.time()), encoding="utf-8")
            fresh.replace(target)  # whole or not at all: the publisher watches
    for path in gone:
        (copy / path).unlink(missing_ok=True)
    return len(changed) + len(gone)


@dataclass
class Overlay:
    """The copy, kept up to date while the demo runs."""

    source: Path
    copy: Path
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Copy all, then follow."""
        seen = stamps(self.source)
        follow(self.source, self.copy, {}, seen)
        self._thread = threading.Thread(target=self._follow, args=(seen,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread:
            self._thread.join(5)

    def _follow(self, seen: Stamps) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            now = stamps(self.source)
            follow(self.source, self.copy, seen, now)
            seen = now
