# SPDX-License-Identifier: EUPL-1.2
"""What the platform knows, read from its own store: a step is only true once it stands there."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.platform import store


@dataclass(frozen=True)
class PlatformView:
    """Questions to the platform's file; empty answers while there is no file yet."""

    file: Path

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows that answer."""
        try:
            with closing(store.open_reader(self.file)) as reader:
                return [dict(row) for row in reader.execute(question, values)]
        except sqlite3.OperationalError:
            return []

    def count(self, question: str, values: Sequence[Any] = ()) -> int:
        """Return the one number that answers, 0 when there is none."""
        found = self.rows(f"SELECT ({question}) AS n", values)
        return int(found[0]["n"] or 0) if found else 0

    def devices(self) -> list[str]:
        """Return names of the devices that are online now."""
        return [row["name"] for row in self.rows(
            "SELECT d.name FROM devices d JOIN streams s ON s.device = d.id AND s.epoch = d.epoch WHERE s.online"
        )]  # fmt: skip

    def births(self) -> dict[str, dict[str, Any]]:
        """Return what each device says of itself."""
        rows = self.rows("SELECT name, birth FROM devices WHERE birth IS NOT NULL")
        return {row["name"]: json.loads(row["birth"]) for row in rows}

    def sessions(self, *, ended: bool = False) -> list[dict[str, Any]]:
        """Return sessions, the latest last."""
        kept = "ended IS NOT NULL" if ended else "started IS NOT NULL"
        return self.rows(f"SELECT * FROM sessions WHERE {kept} ORDER BY started")

    def acknowledged(self, kind: str) -> int:
        """Return how many events of a type the platform has committed and acknowledged to their devices."""
        return self.count(
            "SELECT count(*) FROM events e JOIN streams s ON s.id = e.stream WHERE e.type = ? AND e.seq <= s.acked",
            [kind],
        )

    def occupancy(self) -> list[dict[str, Any]]:
        """Return the windows in which somebody was counted, the latest last."""
        return self.rows("SELECT * FROM presence WHERE associated > 0 ORDER BY start")

    def requests(self) -> list[dict[str, Any]]:
        """Return requests with their state."""
        return self.rows("SELECT * FROM requests ORDER BY n")

    def visits(self) -> list[dict[str, Any]]:
        """Return the visits that have arrived."""
        return self.rows("SELECT * FROM visits WHERE arrived IS NOT NULL ORDER BY n")
