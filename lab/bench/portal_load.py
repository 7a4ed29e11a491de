# SPDX-License-Identifier: EUPL-1.2
"""Many guests at once: wrk asks a portal and a plain file server in turns; and how long the search itself takes."""

import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_core.store import search
from edge_core.store.replica import Replica
from lab.bench.figures import Figure, percentile
from lab.bench.portal_stage import Stage, companies

GUESTS = 200
_SECONDS, _ROUNDS = 4, 5
_KEPT = ("/fr/", "/fr/news", "/fr/companies/exemple-ardoise", "/fr/plan/rez-de-chaussee?place=bureau-010")
_SHOWN = 24
_FRESH = 1001  # questions of a round: more than it asks
_SCRIPT = """
local asked = {ASKED}
local each = 0
wrk.headers["Accept-Encoding"] = "gzip"
if #asked > 0 then
  request = function() each = each + 1; return wrk.format("GET", asked[(each * 7919) % #asked + 1]) end
  delay = function() return math.random(500, 1500) end
end
done = function(summary, latency, requests)
  local wrong = summary.errors
  local failed = wrong.connect + wrong.read + wrong.write + wrong.timeout + wrong.status
  local rate = summary.requests / (summary.duration / 1e6)
  io.write(string.format("DONE %f %f %d\\n", rate, latency:percentile(95) / 1000, failed))
end
"""


@dataclass(frozen=True)
class Run:
    """What one run of wrk saw: answers a second, the 95th percentile in milliseconds, and failures."""

    rate: float
    p95: float
    failed: int


def possible() -> str:
    """Return why it can't be measured here, or ""."""
    missing = [program for program in ("wrk", "nginx") if shutil.which(program) is None]
    return f"{' and '.join(missing)} not installed (apt-get install wrk nginx-light)" if missing else ""


def kept_pages(stage: Stage) -> list[Figure]:
    """Compare pages that are kept with nginx serving the same bytes as files, in turns."""
    found = []
    for path in _KEPT[1:]:
        addresses = (stage.front + path, stage.as_file(path))
        pairs = [[_wrk(stage.folder, address) for address in addresses] for _ in range(_ROUNDS)]
        ratios = [ours.rate / theirs.rate for ours, theirs in pairs]
        spread = (round(min(ratios), 2), round(max(ratios), 2))
        name = path.partition("?")[0].removeprefix("/fr/")
        failed = sum(ours.failed for ours, _ in pairs)
        rates = [statistics.median(one.rate for one in side) for side in zip(*pairs, strict=True)]
        ratio = round(statistics.median(ratios), 2)
        found += [
            Figure(f"pages/s to files/s, {name}, {GUESTS} guests", ratio, "", spread, goal=0.5, more=True),
            Figure(f"pages/s, {name}", round(rates[0]), "/s", peer=round(rates[1]), more=True),
            Figure(f"failed, {name}", failed, "answers", goal=0),
        ]
    return found


def searched_pages(stage: Stage) -> list[Figure]:
    """Measure guests who type: each asks about once a second for answers that nobody has asked for before."""
    fresh = list(dict.fromkeys(typed(_FRESH * _ROUNDS * 6)))
    parts = [fresh[start : start + _FRESH] for start in range(0, _FRESH * _ROUNDS, _FRESH)]
    asked = [[f"/fr/companies/answers?q={question}" for question in part] for part in parts]
    runs = [_wrk(stage.folder, stage.front, part) for part in asked]
    p95 = [run.p95 for run in runs]
    title = f"searched page, none kept, p95, {GUESTS} guests a letter a second"
    return [
        Figure(title, round(statistics.median(p95), 1), "ms", (round(min(p95), 1), round(max(p95), 1)), goal=50),
        Figure("searched pages a second then", round(statistics.median(run.rate for run in runs)), "/s", more=True),
        Figure("failed, searched", sum(run.failed for run in runs), "answers", goal=0),
    ]


def _wrk(folder: Path, address: str, asked: list[str] | None = None) -> Run:
    script = folder / "wrk.lua"
    listed = "{" + ", ".join(f'"{path}"' for path in asked or []) + "}"
    script.write_text(_SCRIPT.replace("{ASKED}", listed), encoding="utf-8")
    words = ["wrk", "-t1", f"-c{GUESTS}", f"-d{_SECONDS}s", "-s", str(script), address]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    done = re.search(r"DONE (\S+) (\S+) (\d+)", said)
    if done is None:
        raise RuntimeError(f"wrk said nothing that can be read: {said[-200:]}")
    return Run(float(done[1]), float(done[2]), int(done[3]))


def typed(number: int) -> list[str]:
    """Return questions as they are typed: the beginnings of a name, letter by letter, one name in eight mistyped."""
    chance, names = random.Random(11), companies()
    found: list[str] = []
    while len(found) < number:
        word = chance.choice(names)["name"].split()[0].lower()
        if chance.random() < 1 / 8 and len(word) > 4:
            place = chance.randrange(1, len(word))
            word = word[:place] + chance.choice("aeiourst") + word[place + 1 :]
        found += [word[:length] for length in range(2, len(word) + 1)]
    return found[:number]


def search_ratio(stage: Stage) -> list[Figure]:
    """Compare a search with the bare FTS5 query that it begins with, over 10,000 companies, in turns."""
    replica = Replica(stage.settings.content_db)
    replica.search("zzzzzz", ["companies"])  # the words of the index are read once for each content
    bare = sqlite3.connect(f"{stage.settings.content_db.as_uri()}?mode=ro", uri=True)
    weights = ", ".join(str(weight) for weight in search.WEIGHTS)
    sql = (
        "SELECT collection, id, body FROM search JOIN records ON records.number = search.rowid WHERE search MATCH ?"
        f" AND collection = 'companies' ORDER BY bm25(search, {weights}) LIMIT {_SHOWN}"
    )
    ours: list[float] = []
    theirs: list[float] = []
    for question in typed(1500):
        ours.append(_timed(lambda asked=question: replica.search(asked, ["companies"], _SHOWN)))  # type: ignore[misc]
        theirs.append(_timed(lambda asked=question: bare.execute(sql, [search.match_all(asked)]).fetchall()))  # type: ignore[misc]
    replica.close()
    bare.close()
    p95 = [percentile(side, 0.95) for side in (ours, theirs)]
    middle = [percentile(side, 0.5) for side in (ours, theirs)]
    return [
        Figure("search of 10,000 companies, p95, to the bare FTS5 query", round(p95[0] / p95[1], 2), "times", goal=3),
        Figure("search, p95", round(p95[0], 2), "ms", limit=round(p95[1], 2)),
        Figure("search, p50", round(middle[0], 2), "ms", limit=round(middle[1], 2)),
    ]


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
