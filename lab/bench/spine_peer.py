# SPDX-License-Identifier: EUPL-1.2
"""openNDS letting guests in one after the other: `python -m lab.bench.spine_peer FOLDER` writes FOLDER/peer.json.

A process of its own, since who has made one process namespace can't make another (unshare(2)).
"""

import json
import sys
from functools import partial
from pathlib import Path

import psutil

from lab.bench import cpu
from lab.bench.forwarding import Lane, opened
from lab.bench.peer import Peer
from lab.net.isolate import run_isolated

_GUESTS = 20
_PYTHON = (sys.executable, "-m")


def _measure(folder: Path) -> int:
    with opened("peer", folder, _GUESTS) as lane:
        peer = Peer(lane)
        peer.start(_GUESTS)
        lane.introduce(_GUESTS)
        lane.processes.start("answer", [*_PYTHON, "lab.bench.storm", "answer"], place="internet")
        gateway = psutil.Process(lane.processes.running["opennds"].pid)
        before = cpu.seconds(gateway)
        times = [one for one in (_visit(lane, number) for number in range(_GUESTS)) if one]
        if len(times) < _GUESTS / 2:
            raise RuntimeError(f"it let {len(times)} of {_GUESTS} guests in")
        spent = (cpu.seconds(gateway) - before) * 1000 / len(times)
    told = {step: [one[step] for one in times] for step in times[0]} | {"cpu": spent}
    (folder / "peer.json").write_text(json.dumps(told), encoding="utf-8")
    return 0


def _visit(lane: Lane, number: int) -> dict[str, float] | None:
    """Return a guest's times; None where the peer hung up on it or never let it in, which is said."""
    try:
        return dict(json.loads(lane.zone.run("guests", *_PYTHON, "lab.bench.peer_visits", str(number))))
    except OSError as error:
        print(f"bench: the peer failed guest {number}: {str(error).splitlines()[-1]}", file=sys.stderr)
        return None


def main() -> int:
    """Measure, isolated. Times in milliseconds; `cpu` in milliseconds a login."""
    return run_isolated(partial(_measure, Path(sys.argv[1])), "root", network=True)


if __name__ == "__main__":
    sys.exit(main())
