# SPDX-License-Identifier: EUPL-1.2
"""From a blank Debian to a working gateway, and through updates: what the machines of tests/deploy were measured at.

It runs those tests, as root, in containers (some minutes), and adds how exposed each unit is. The peer of a second run
is the first one; the limit of memory is the unit's own MemoryMax.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from lab.bench.figures import Figure

ROOT = Path(__file__).parents[2]
_FIGURES = ROOT / "build" / "machine" / "figures.json"
_GOALS = {
    "requests refused during an update": 0.0,
    "switch to a broken release until the one before serves again": 60.0,
}


def figures() -> list[Figure]:
    """Return every figure that the machine gave, then the exposure of each unit."""
    words = ["-n0", "-q", "-m", "deploy", "tests/deploy/test_gateway_machine.py"]
    subprocess.run(["lab/machine/packages.sh"], cwd=ROOT, check=True)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, check=False, env={**os.environ, "PARVIS_DEPLOY": "1"}
    )
    if run.returncode:
        raise SystemExit("bench: the machine's tests failed; figures of a run that failed say nothing.")
    return [*measured(json.loads(_FIGURES.read_text(encoding="utf-8"))), *exposures()]


def measured(kept: dict[str, dict[str, float | str]]) -> list[Figure]:
    """Return what the tests recorded."""
    bounds = {path.stem: _bound(path) for path in (ROOT / "systemd").glob("*.service")}
    found = []
    for name, row in kept.items():
        unit = name.removeprefix("memory of ") if name.startswith("memory of ") else ""
        limit = bounds.get(unit)
        goal = _GOALS.get(name, limit)
        found.append(Figure(name, float(row["value"]), str(row["unit"]), limit=limit, goal=goal))
    return found


def exposures() -> list[Figure]:
    """Return what `systemd-analyze security` says of each unit, 0 to 10, as the unit is installed."""
    folder = ROOT / "build" / "bench" / "units" / "etc" / "systemd" / "system"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-r", f"{ROOT / 'systemd'}/.", str(folder)], check=True)
    found = []
    for path in sorted(folder.glob("*.service")):
        words = ["systemd-analyze", "security", "--offline=yes", f"--root={folder.parents[2]}", "--no-pager", path.name]
        said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        if level:
            goal = 4.0 if path.stem == "parvis-agent" else 2.0
            found.append(Figure(f"exposure of {path.stem}", float(level[1]), "of 10", goal=goal))
    return found


def _bound(path: Path) -> float | None:
    found = re.search(r"^MemoryMax=(\d+)M$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return float(found[1]) if found else None
