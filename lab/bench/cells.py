# SPDX-License-Identifier: EUPL-1.2
"""Puts a program under its unit's own MemoryMax, by a control group of this machine, and tells what it held."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.bench.figures import Figure

_UNITS = Path(__file__).parents[2] / "systemd"
_ROOT = Path("/sys/fs/cgroup/memory")
_MIB = 2**20


@dataclass
class Cell:
    """A control group (version 1; cgroups(7)) with the limit of one unit, in bytes."""

    unit: str
    folder: Path
    limit: int
    most: int = 0

    def around(self, words: Sequence[str]) -> list[str]:
        """Return the words that run a program inside, from its first instruction on."""
        return ["sh", "-c", f'echo 0 > {self.folder}/cgroup.procs; exec "$@"', "sh", *words]

    def look(self) -> int:
        """Return the bytes that can't be taken back now: what is charged, less the files' pages. The most is kept."""
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text(encoding="ascii").splitlines())
        held = int(stat["rss"]) + self._number("memory.kmem.usage_in_bytes") + int(stat.get("shmem", 0))
        self.most = max(self.most, held)
        return held

    def watch(self, seconds: float) -> None:
        """Look five times a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.2)

    def figures(self, what: str) -> list[Figure]:
        """Return what it held at most beside the limit, and how many processes were killed for want of memory."""
        killed = re.search(
            r"^oom_kill (\d+)$", (self.folder / "memory.oom_control").read_text(encoding="ascii"), re.MULTILINE
        )
        held, limit = round(self.most / _MIB, 1), round(self.limit / _MIB)
        return [
            Figure(f"{self.unit}, {what}: memory, most (goal: its MemoryMax)", held, "MiB", goal=limit),
            Figure(f"{self.unit}, {what}: killed for want of memory", float(killed[1] if killed else 0), "", goal=0),
        ]

    def _number(self, name: str) -> int:
        return int((self.folder / name).read_text(encoding="ascii"))


def unit_environment(unit: str) -> dict[str, str]:
    """Return what a unit sets for the C library's heap."""
    text = (_UNITS / f"parvis-{unit}.service").read_text(encoding="utf-8")
    return dict(re.findall(r"^Environment=(MALLOC_\w+)=(\S+)$", text, re.MULTILINE))


def limit_of(unit: str) -> int:
    """Return the MemoryMax of a unit in bytes. Raises ValueError where it has none."""
    text = (_UNITS / f"parvis-{unit}.service").read_text(encoding="utf-8")
    found = re.search(r"^MemoryMax=(\d+)M$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"parvis-{unit}.service has no MemoryMax")
    return int(found[1]) * _MIB


@contextmanager
def cell(unit: str) -> Iterator[Cell]:
    """Make the group of a unit, and take it away once the programs inside have ended. Raises OSError without root."""
    made = Cell(unit, _ROOT / f"parvis-bench-{unit}-{time.time_ns()}", limit_of(unit))
    made.folder.mkdir()
    try:
        (made.folder / "memory.limit_in_bytes").write_text(str(made.limit), encoding="ascii")
        yield made
    finally:
        for _ in range(100):
            with suppress(OSError):
                made.folder.rmdir()
                break
            time.sleep(0.1)
