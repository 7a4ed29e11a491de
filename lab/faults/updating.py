# SPDX-License-Identifier: EUPL-1.2
"""One update of a device, cut where a test wants it.

`python -m lab.faults.updating HOME kill STEP`, or `… HOME copy IMAGE FOLDER TROUBLE`.

`kill` ends the process by SIGKILL before its STEP-th change of the disk. `copy` copies the image of HOME's file system
before each change, without what the file system hasn't written yet: what a card holds when the power goes then.
"""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync.release import shelf as shelves
from sync.release import trial

OLD, NEW = "parvis-0.1.0-00000001-py311-x86_64", "parvis-0.2.0-00000002-py311-x86_64"
_FILES = 24


class Hands:
    """Builds a release of a few files with a list of their digests; finds it well, or not."""

    def __init__(self, trouble: str = "", step: Callable[[], None] = lambda: None) -> None:
        """`step` is called in the middle of building, and around restarting and judging."""
        self._trouble, self._step = trouble, step

    def build(self, bundle: Path, folder: Path) -> None:
        """Write the release, as large as a small wheel's files are."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "bin").mkdir(parents=True)
        digests = []
        for number in range(_FILES):
            data = hashlib.sha256(f"{folder.name}/{number}".encode()).digest() * 300
            (folder / "bin" / f"{number}.py").write_bytes(data)
            digests.append(hashlib.sha256(data).hexdigest())
            if number == _FILES // 2:
                self._step()
        (folder / "digests").write_text("\n".join(digests))
        _ = bundle

    def restart(self) -> None:
        """Start nothing."""
        self._step()

    def trouble(self) -> str:
        """Return what was given."""
        self._step()
        return self._trouble


def is_whole(home: Path, name: str) -> bool:
    """Tell whether each file of a release is the one that was written."""
    folder = home / "releases" / name
    try:
        digests = (folder / "digests").read_text().split("\n")
        found = [hashlib.sha256((folder / "bin" / f"{n}.py").read_bytes()).hexdigest() for n in range(_FILES)]
    except OSError:
        return False
    return found == digests


def begin(home: Path) -> None:
    """Make a device that runs the old release and has proven it."""
    shelf = shelves.Shelf(home)
    Hands().build(home, shelf.folder(OLD))
    shelf.complete(OLD)
    shelf.point("current", OLD)
    shelf.prove()


def main() -> None:
    """Update once."""
    home, how = Path(sys.argv[1]), sys.argv[2]
    done = 0

    def step() -> None:
        nonlocal done
        if how == "kill" and done == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "copy":
            shutil.copyfile(sys.argv[3], Path(sys.argv[4]) / f"{done:03}.img")
        done += 1

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*words: Any, **named: Any) -> Any:
            step()
            return function(*words, **named)

        return stepped

    for name in ("fsync", "replace", "symlink", "rename"):
        setattr(os, name, before(getattr(os, name)))
    shelf = shelves.Shelf(home)
    outcome = trial.bring(shelf, Hands(sys.argv[-1] if how == "copy" else "", step), NEW, home, 1)
    step()
    print(outcome.what, done)


if __name__ == "__main__":
    main()
