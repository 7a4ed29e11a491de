# SPDX-License-Identifier: EUPL-1.2
"""The legal record behind the kernel's own connections: 5,000 new ones a second of a guest with a grant, by NAT."""

import json
import sys
import time
from pathlib import Path

import psutil
from nacl.encoding import HexEncoder
from nacl.public import PrivateKey

from edge_core import clock, legal
from edge_core.settings import Settings, load
from gateway_agent import legal_export, legal_vault
from lab.bench.figures import Figure
from lab.bench.forwarding import Lane, address_of, opened
from lab.faults.site import until

_RATE, _SECONDS = 5_000, 8
_UDP = 17
_SETTLE = 40.0  # a flow without an answer ends 30 s after its packet
_SINK = """
table ip flows {
 chain prerouting { type filter hook prerouting priority raw; policy accept;
  udp dport 30000-30019 drop
 }
}
"""


def measure(folder: Path) -> list[Figure]:
    """Open them, and compare what was sent, what arrived, and what the investigator reads."""
    with opened("legal", folder, 2) as lane:
        lane.introduce(2)
        found, key = _recorded(lane)
        lane.zone.run("internet", "nft", "-f", "-", stdin=_SINK)
        recorder = next(one for one in psutil.process_iter(["cmdline"]) if "record" in (one.info["cmdline"] or []))
        before, used = _arrived(lane), sum(recorder.cpu_times()[:2])
        words = [sys.executable, "-m", "lab.bench.flows", "g0", str(_RATE * _SECONDS), str(_RATE)]
        took = float(lane.zone.run("guests", *words))
        time.sleep(1.0)
        arrived = _arrived(lane) - before
        time.sleep(_SETTLE)
        used = sum(recorder.cpu_times()[:2]) - used
        lane.processes.stop("agent")
        opened_rows = _rows(found, key, folder / "legal.tar")
    sent, own = _RATE * _SECONDS, (str(address_of(0)), _UDP)
    kept = sum((row["source"], row["protocol"]) == own for row in opened_rows.connections)
    print(f"bench: {sum(bool(row['end']) for row in opened_rows.connections)} of them with their end", file=sys.stderr)
    return [
        Figure("legal record: new connections a second", round(sent / took), "/s", goal=_RATE * 0.95, more=True),
        Figure(f"legal record: of {sent} packets dropped on the way", float(max(0, sent - arrived)), "", goal=0),
        Figure("legal record: connections missing", float(sent - kept), "", goal=0),
        Figure("legal record: gaps", float(len(opened_rows.gaps)), "", goal=0),
        Figure("legal record: processor time of the recorder for one", round(used * 1e6 / sent, 1), "µs", limit=200.0),
    ]


def _recorded(lane: Lane) -> tuple[Settings, PrivateKey]:
    """Start the product with one grant and the record on; return its settings and the investigator's key."""
    found = lane.as_parvis(1)
    lane.processes.stop("agent")
    key = PrivateKey.generate()
    (lane.folder / "key.pub").write_bytes(key.public_key.encode(HexEncoder))
    with found.source.open("a", encoding="utf-8") as file:
        file.write(f'[legal]\nrecord = "on"\ninvestigator = "{lane.folder}/key.pub"\n')
    found = load(found.source)
    lane.start_agent(found)
    until(lambda: legal.state(found) == legal.RECORDING, 60, "the recorder")
    return found, key


def _arrived(lane: Lane) -> int:
    listed = json.loads(lane.zone.run("internet", "ip", "-j", "-s", "link", "show", "dev", "up0"))
    return int(listed[0]["stats64"]["rx"]["packets"])


def _rows(found: Settings, key: PrivateKey, path: Path) -> legal_export.Opened:
    days = legal_vault.days(legal.folder(found))
    legal_export.export(found, days, "measure", path, clock.now())
    by = legal_export.signer(found).verify_key.encode(HexEncoder).decode()
    return legal_export.read(path, key, by)
