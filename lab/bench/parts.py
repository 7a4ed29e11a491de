# SPDX-License-Identifier: EUPL-1.2
"""Measures a bench part by part and tells each part's figures at once; one that fails costs no other.

`measured` isolates each in a process of its own, with room in the machine's neighbour table: who has made one process
namespace can't make another (unshare(2)).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lab.bench.figures import Figure, tell
from lab.net.isolate import run_isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Part = Callable[[Path], list[Figure]]

_NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh/default")


def measured(module: str, names: Iterable[str]) -> list[Figure]:
    """Return the figures of the parts so named, by `module`, whose `__main__` calls `run`; one that fails is told."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="parvis-bench-", dir="/var/tmp") as folder, room_for_neighbours():
        for part in names:
            file = Path(folder) / f"{part}.json"
            done = subprocess.run([sys.executable, "-m", module, part, folder, str(file)], check=False)
            if done.returncode or not file.exists():
                print(f"bench: {part} could not be measured (code {done.returncode})", file=sys.stderr)
                continue
            found += _told([Figure(**row) for row in json.loads(file.read_text(encoding="utf-8"))])
    return found


def in_turn(parts: Iterable[Callable[[], list[Figure]]]) -> list[Figure]:
    """Return the figures of parts that need no isolation; one that fails is told, with where."""
    found: list[Figure] = []
    for part in parts:
        try:
            found += _told(part())
        except Exception:  # noqa: BLE001  whatever it was, what is measured already stays
            print(f"bench: {part.__name__.strip('_')} could not be measured", file=sys.stderr)
            traceback.print_exc()
    return found


def _told(figures: list[Figure]) -> list[Figure]:
    tell(figures)
    return figures


def run(parts: Mapping[str, Part], *, loopback: bool = False) -> int:
    """Measure one part, isolated, into a file, as the words of the command say: PART FOLDER FILE."""
    part, folder, file = sys.argv[1:]
    measure = partial(_measured, parts[part], Path(folder) / part, Path(file), loopback=loopback)
    return run_isolated(measure, "root", network=True)


def _measured(part: Part, folder: Path, file: Path, *, loopback: bool) -> int:
    if loopback:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    file.write_text(json.dumps([vars(figure) for figure in part(folder)]), encoding="utf-8")
    return 0


@contextmanager
def room_for_neighbours() -> Iterator[None]:
    """Raise the machine's limits of its neighbour table, which no namespace has of its own, for as long as we run."""
    files = [_NEIGHBOURS / f"gc_thresh{number}" for number in (3, 2, 1)]
    before = [file.read_text(encoding="ascii") for file in files]
    try:
        for file in files:
            file.write_text("65536", encoding="ascii")
        yield
    finally:
        for file, value in zip(reversed(files), reversed(before), strict=True):
            file.write_text(value, encoding="ascii")
