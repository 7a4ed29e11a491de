# SPDX-License-Identifier: EUPL-1.2
"""A device's life in a minute, to be recorded and cut: people ask, sessions begin, the platform acknowledges.

Each promise is written down after the store said that it is done, and not before. Run as
`python -m lab.faults.workload FOLDER SEED ROUNDS`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from edge_core import coarse, events, settings
from edge_core.store import budget, database, outbox, requests
from lab.faults.powercut import PROMISES
from sync.downlink import content_db

_NOW = 1_790_000_000.0


def configure(folder: Path) -> settings.Settings:
    """Return the settings of the device in `folder`."""
    file = folder / "device.toml"
    if not file.exists():
        file.write_text(
            f'[site]\nid = "site"\nname = "Site"\n[device]\nid = "device"\nstate_dir = "{folder}/state"\n',
            encoding="utf-8",
        )
    return settings.load(file, {})


def live(folder: Path, seed: int, rounds: int) -> None:
    """Live: each promise is a line `request ID`, `acked SEQ` or `content VERSION`."""
    dice = random.Random(seed)
    configuration = configure(folder)
    configuration.device.state_dir.mkdir(parents=True)
    promised = (configuration.device.state_dir / PROMISES).open("a", buffering=1, encoding="ascii")
    database.migrate(configuration)
    promised.write(f"epoch {_epoch(configuration)}\n")
    edge = database.open_edge(configuration.edge_db)
    for number in range(rounds):
        what = dice.random()
        if what < 0.4:
            request = requests.create(edge, kind="room", subject="s", data={"n": str(number)}, place="kiosk", now=_NOW)
            promised.write(f"request {request.id}\n")
        elif what < 0.75:
            with database.write(edge):
                for _ in range(dice.randint(1, 30)):
                    started = events.SessionStarted(session=coarse.uuid7(_NOW), plan="guest", seconds=1)
                    outbox.append(edge, started, _NOW)
        elif what < 0.9:
            with database.write(edge):
                seq = dice.randint(0, outbox.last_seq(edge))
                outbox.acknowledge(edge, seq)
            promised.write(f"acked {seq}\n")
        elif what < 0.95:
            budget.trim(edge, _NOW, 1)
        else:
            content_db.load(configuration.content_db, _content(number), number + 1, _NOW)
            promised.write(f"content {number + 1}\n")


def _content(number: int) -> dict[str, list[dict[str, object]]]:
    rows: list[dict[str, object]] = [
        {"id": f"c-{n}", "name": f"Fictif {n} {number}" * 5} for n in range(number % 40 + 1)
    ]
    return {"companies": rows, "park": [{"id": "park", "name": f"Parc {number}"}]}


def _epoch(configuration: settings.Settings) -> str:
    edge = database.open_edge(configuration.edge_db)
    try:
        return outbox.epoch(edge)
    finally:
        edge.close()


if __name__ == "__main__":
    live(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
