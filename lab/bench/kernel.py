# SPDX-License-Identifier: EUPL-1.2
"""What the agent's work on the kernel costs beside bare netlink: `python -m lab.bench.kernel FOLDER`, in a namespace.

Bare is the same elements as messages put together before: what the kernel itself needs. Prints JSON.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import structlog

from edge_core import clock, netlink
from edge_core.settings import Settings, load
from edge_core.store import database, grants
from gateway_agent import conntrack, nft_elements, reconcile, rules
from gateway_agent.daemon import spare_the_collector
from gateway_agent.enforcement import Enforcement
from gateway_agent.nft_elements import Changes, Table
from gateway_agent.usage import Tally
from lab.bench.forwarding import address_of, mac_of

GRANTS = 15_000
_SINGLE = 400
_ROUNDS = 7


def measure(settings: Settings) -> dict[str, list[float]]:
    """Return milliseconds of each piece of work, ours and bare in turn; and resident MiB."""
    found: dict[str, list[float]] = {}
    before = _resident()
    _fill(settings)
    rules.ensure(settings, dict)
    store = database.open_edge(settings.edge_db)
    enforcement = Enforcement(settings, store)
    found["first"] = [_timed(lambda: enforcement.reconcile(clock.now()))]
    spare_the_collector()
    found["resident"] = [_resident(), _resident() - before]
    for _ in range(_ROUNDS):
        enforcement.doubt()
        found.setdefault("compare", []).append(_timed(lambda: enforcement.reconcile(clock.now())))
    _full(found, enforcement)
    _one_by_one(settings, enforcement, found)
    return found


def _full(found: dict[str, list[float]], enforcement: Enforcement) -> None:
    """Empty all sets and have them filled, by bare messages and by a whole reconcile, in turn."""
    now = clock.now()
    held = enforcement._wishes.all()  # noqa: SLF001  the same elements for both
    wanted = reconcile.elements(held.values())
    changes = reconcile.difference({}, wanted, now)
    batches = list(nft_elements._transactions(changes, now))  # noqa: SLF001
    empty = Changes(removed={name: list(keys) for name, keys in wanted.items() if keys})
    with netlink.Socket(netlink.NETFILTER) as kernel:
        table = Table()
        for _ in range(_ROUNDS):
            table.apply(empty, now)
            found.setdefault("bare_full", []).append(_timed(lambda: _send(kernel, batches)))
            table.apply(empty, now)
            enforcement.doubt()
            found.setdefault("full", []).append(_timed(lambda: enforcement.reconcile(clock.now())))
        table.close()


def _one_by_one(settings: Settings, enforcement: Enforcement, found: dict[str, list[float]]) -> None:
    """Add grants one at a time: a bare transaction of three elements, ours, and ours from the store on."""
    store = database.open_edge(settings.edge_db)
    now, table = clock.now(), enforcement._table  # noqa: SLF001
    apply, taken = table.apply, found.setdefault("one", [])

    def timed(changes: Changes, now: float, generation: int | None = None) -> int:
        began = time.perf_counter()
        done = apply(changes, now, generation)
        taken.append((time.perf_counter() - began) * 1000)
        return done

    table.apply = timed  # type: ignore[method-assign]
    with netlink.Socket(netlink.NETFILTER) as kernel:
        for number in range(GRANTS, GRANTS + _SINGLE):
            grant = grants.accept(store, mac_of(number), "free", 4000, clock.now())
            held = reconcile.Held(
                nft_elements.Value(0x80000000 | 1 << 28 | grant.id, now + 4000),
                nft_elements.key_mac(mac_of(number + 100_000)),
                frozenset([address_of(number + 30_000).packed]),
            )
            changes = reconcile.difference({}, reconcile.elements([held]), now)
            (batch,) = nft_elements._transactions(changes, now)  # noqa: SLF001
            found.setdefault("bare_one", []).append(_timed(lambda batch=batch: kernel.batch(10, batch)))  # type: ignore[misc]
            enforcement._generation = table.generation()  # noqa: SLF001  the bare one was ours too
            found.setdefault("reconcile_one", []).append(_timed(lambda: enforcement.reconcile(clock.now())))


def read_counters() -> dict[str, list[float]]:
    """Return milliseconds for reading what all flows of this namespace carried: bare dumps, and ours into totals."""
    table, tally = conntrack.Conntrack(), Tally()
    spare_the_collector()
    found: dict[str, list[float]] = {"flows": [float(len(table.flows()))]}
    for _ in range(_ROUNDS):
        found.setdefault("bare_counters", []).append(_timed(lambda: table._kernel.dump(1 << 8 | 1, bytes(4))))  # noqa: SLF001
        found.setdefault("counters", []).append(_timed(lambda: tally.look(table.flows())))
    table.close()
    return found


def _fill(settings: Settings) -> None:
    database.migrate(settings)
    now = clock.now()
    rows = ((f"{number:036d}", mac_of(number), now, now + 36_000 + number) for number in range(GRANTS))
    with database.open_edge(settings.edge_db) as store, database.write(store):
        store.executemany(
            "INSERT INTO grants (session, mac, plan, created_at, expires_at) VALUES (?, ?, 'free', ?, ?)", rows
        )
    end = int(now) + 36_000
    lines = (f"{end} {mac_of(number)} {address_of(number)} * *\n" for number in range(GRANTS + _SINGLE))
    settings.leases_file.write_text("".join(lines), encoding="ascii")


def _send(kernel: netlink.Socket, batches: Sequence[Sequence[netlink.Message]]) -> None:
    for batch in batches:
        kernel.batch(10, batch)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _resident() -> float:
    return float(psutil.Process().memory_info().rss / 2**20)


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if sys.argv[1] == "counters":
        print(json.dumps(read_counters()))
        return
    print(json.dumps(measure(load(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
