# SPDX-License-Identifier: EUPL-1.2
"""Writes the platform's events as one CloudEvent a line: `python -m lab.platform.export STORE > events.jsonl`."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime

_EVENTS = (
    "SELECT events.id, type, at, data, site, name FROM events JOIN streams ON streams.id = events.stream"
    " JOIN devices ON devices.id = streams.device ORDER BY n"
)


def main() -> None:
    """Print every event that the store holds, in the order of arrival."""
    with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as store:
        for key, kind, at, data, site, device in store.execute(_EVENTS):
            time = datetime.fromtimestamp(at, UTC).isoformat()
            event = {"id": key, "source": f"/{site}/{device}", "type": kind, "time": time, "data": json.loads(data)}
            print(json.dumps(event, ensure_ascii=False))


if __name__ == "__main__":
    main()
