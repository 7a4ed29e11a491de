# SPDX-License-Identifier: EUPL-1.2
"""Whether anybody notices that the agent is killed, stopped, started, or that its rules are exchanged."""

import sys
import threading
import time
from pathlib import Path

from lab.bench.figures import Figure
from lab.bench.forwarding import Lane, opened, reachable

_PYTHON = (sys.executable, "-m")


def measure(folder: Path) -> list[Figure]:
    """Kill, stop, start and exchange rules, while one guest is online and another without a grant keeps trying."""
    with opened("hitless", folder, 3) as lane:
        lane.introduce(2)
        settings = lane.as_parvis(1)
        through: list[bool] = []
        over = threading.Event()
        watcher = threading.Thread(target=_try_until, args=(lane, 1, over, through))
        watcher.start()
        broken = 0
        for _ in range(2):
            lane.processes.running["agent"].kill()
            broken += not reachable(lane, 0)
            lane.start_agent(settings)
            lane.processes.stop("agent")
            broken += not reachable(lane, 0)
            lane.start_agent(settings)
            _upgrade(lane)
            broken += not reachable(lane, 0)
        over.set()
        watcher.join()
    return [
        Figure("tries of a guest without a grant at kill -9, stop, start, upgrade", float(len(through)), ""),
        Figure("of which got through", float(sum(through)), "", goal=0),
        Figure("grants lost at these", float(broken), "", goal=0),
    ]


def _upgrade(lane: Lane) -> None:
    """Load the rules of another release: the same with one more comment in their version."""
    source = lane.settings().source
    text = source.read_text(encoding="utf-8")
    source.write_text(f'{text}\n[walled_garden]\nhosts = ["192.0.2.{int(time.monotonic()) % 250}"]\n', encoding="utf-8")
    lane.run(*_PYTHON, "gateway_agent", "setup", "--config", str(source))


def _try_until(lane: Lane, guest: int, over: threading.Event, through: list[bool]) -> None:
    while not over.is_set():
        through.append(reachable(lane, guest, seconds=0.05))
