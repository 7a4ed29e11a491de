# SPDX-License-Identifier: EUPL-1.2
"""An hour of guests: what each process of a whole gateway holds in the end, beside its unit's MemoryMax.

Every half minute some guests log in, as many as make all of them in the hour, and phones that wait probe; nobody else
loads it. Memory is PSS: a page that processes share is counted once among them (proc(5), smaps_rollup).
"""

import json
import os
import sys
import time
from pathlib import Path

import psutil

from lab.bench import parts
from lab.bench.cells import limit_of
from lab.bench.figures import Figure
from lab.bench.forwarding import opened
from lab.net.allowed import allowed

_MINUTES = float(os.environ.get("PARVIS_BENCH_MINUTES", "60"))
_GUESTS, _EVERY, _FIRST = 1200, 30.0, 0.1
_PYTHON = (sys.executable, "-m")
_MIB = 2**20


def figures() -> list[Figure]:
    """Measure it; needs root, since a thousand guests need room in the machine's neighbour table."""
    ground = allowed()
    if ground.ground != "root":
        print(f"bench: an hour of guests is measured as root only: {ground.why}", file=sys.stderr)
        return []
    return parts.measured("lab.bench.hour", _PARTS)


def _hour(folder: Path) -> list[Figure]:
    with opened("whole", folder, _GUESTS) as lane:
        record = lane.as_whole(_GUESTS).run_dir / "gateway.pids"
        lane.introduce(_GUESTS)
        lane.processes.start("answer", [*_PYTHON, "lab.bench.storm", "answer"], place="internet")
        rounds = max(2, round(_MINUTES * 60 / _EVERY))
        size = _GUESTS // rounds
        failed, early = 0, {}
        for turn in range(rounds):
            due = time.monotonic() + _EVERY
            failed += size - len(lane.storm("logins", turn * size, size, 2)["times"])
            lane.storm("redirects", _GUESTS - 50, 50, 5, 1)
            if turn == round(rounds * _FIRST):
                early = _held(record)
            time.sleep(max(0.0, due - time.monotonic()))
        late = _held(record)
    return [
        Figure(f"logins in {_MINUTES:g} minutes that failed, of {rounds * size}", float(failed), "", goal=0),
        *(_figure(name, held, early.get(name, held)) for name, held in sorted(late.items())),
    ]


def _held(record: Path) -> dict[str, float]:
    """Return the MiB of each program that `parvis run` started, the last time, with what it started itself."""
    lines = [json.loads(line) for line in record.read_text(encoding="ascii").splitlines()]
    found = {}
    for name, pid in {line["name"]: line["pid"] for line in lines}.items():
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        found[name] = round(sum(one.memory_full_info().pss for one in family) / _MIB, 1)
    return found


def _figure(name: str, held: float, early: float) -> Figure:
    limit = limit_of(name) / _MIB
    return Figure(
        f"{name}: memory (after a tenth of the time: {early} MiB; goal: its MemoryMax)", held, "MiB", goal=limit
    )


_PARTS = {"hour": _hour}

if __name__ == "__main__":
    sys.exit(parts.run(_PARTS))
