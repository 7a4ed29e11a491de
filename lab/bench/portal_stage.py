# SPDX-License-Identifier: EUPL-1.2
"""A portal as a device serves it, behind the role's own nginx, and an nginx with the same bytes as files."""

import random
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captive_portal import seal
from edge_core.settings import Settings, load
from edge_core.store import database, grants, vouchers
from lab.nginx import configuration, user
from lab.ports import free_port
from lab.processes import Processes
from sync.downlink import content_db
from sync.publish import source

_ROOT = Path(__file__).parents[2]
_COMPANIES = 10_000
_SYLLABLES = (
    "ar bo ca du el fi gra ho im jo ka lu mo na or pi que ro sa ti um va xe yo zan tel mar ber lin cor pic gal est oli"
)
_TRADES = ("Conseil", "Logiciel", "Édition", "Hébergement", "Atelier", "Énergie", "Étude", "Formation", "Mécanique")


@dataclass(frozen=True)
class Stage:
    """Where things answer: `front` is the portal behind nginx, `files` nginx with files alone."""

    settings: Settings
    front: str
    files: str
    folder: Path

    def fetch(self, address: str) -> tuple[bytes, dict[str, str]]:
        """Return a page as it travels, compressed, with its headers."""
        asked = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read(), dict(answer.headers)

    def as_file(self, path: str) -> str:
        """Keep a page's bytes as a file; return the address under which nginx serves them."""
        body, _ = self.fetch(self.front + path)
        place = self.folder / "files" / path.strip("/").replace("?", "-").replace("/", "-")
        place.with_suffix(".html").write_bytes(b"")
        place.with_suffix(".html.gz").write_bytes(body)
        return f"{self.files}/{place.with_suffix('.html').name}"


def companies(number: int = _COMPANIES) -> list[dict[str, Any]]:
    """Return invented companies, the same ones at each call: names of two words, eight words of activity."""
    chance, syllables = random.Random(7), _SYLLABLES.split()
    words = ["".join(chance.choices(syllables, k=chance.randint(2, 4))).capitalize() for _ in range(6000)]
    return [
        {
            "id": f"c-{serial}",
            "name": f"{chance.choice(words)} {chance.choice(words)}",
            "activity": {"fr": " ".join(chance.choices([*words, *_TRADES], k=8))},
            "tags": chance.sample(_TRADES, 2),
        }
        for serial in range(number)
    ]


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start it all in `folder`, on free ports of loopback, with the demonstration's content and 10,000 companies."""
    front, files = free_port(), free_port()
    settings = _settings(folder)
    _fill(settings)
    _offer_codes(settings)
    (folder / "files").mkdir()
    nginx = folder / "nginx"
    nginx.mkdir()
    (nginx / "front.conf").write_text(_front(nginx, front), encoding="utf-8")
    (nginx / "files.conf").write_text(_files(nginx, folder / "files", files), encoding="utf-8")
    with Processes(folder) as processes:
        environment = {"PARVIS_CONFIG": str(settings.source), "PARVIS_FRONT_TOLD": f"{nginx}/front.log"}
        words = [
            str(_ROOT / ".venv/bin/gunicorn"),
            "--config",
            "python:edge_core.web.server",
            "captive_portal.wsgi:app",
        ]
        processes.start("portal", [*words, "--bind", f"unix:{nginx}/portal.sock"], env=environment)
        for name in ("front", "files"):
            processes.start(name, ["nginx", "-c", str(nginx / f"{name}.conf"), "-g", "daemon off;"])
        address = "http://127.0.0.1:{}".format
        made = Stage(settings, address(front), address(files), folder)
        _await(made.front + "/fr/")
        yield made


def _settings(folder: Path) -> Settings:
    path = folder / "parvis.toml"
    path.write_text(
        f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
        '[enforcement]\nmode = "none"\n'
        '[sign_in]\nissuer = "http://127.0.0.1:9"\nclient_id = "portal"\nlabel = "Parc Exemple"\n'
        '[mail]\nserver = "smtp://127.0.0.1:9"\nsender = "wifi@parc.example"\n',
        encoding="utf-8",
    )
    settings = load(path, {})
    database.migrate(settings)
    return settings


def _offer_codes(settings: Settings) -> None:
    """Make one code: the way by a code is offered where there is one."""
    edge, now = database.open_edge(settings.edge_db), time.time()
    key, limits = seal.load(settings.device.state_dir / "portal.key").derive("vouchers"), grants.Limits()
    vouchers.make(
        edge, key, batch="bench", plan="voucher", seconds=3600, limits=limits, devices=1, count=1,
        valid_until=now + 86400, now=now,
    )  # fmt: skip
    edge.close()


def _fill(settings: Settings) -> None:
    content = source.read(_ROOT / "content" / "demo", time.time())
    records = {name: list(found.values()) for name, found in content.collections.items()}
    records["companies"] = [*records["companies"], *companies()]
    settings.blobs_dir.mkdir(parents=True, exist_ok=True)
    for digest, data in content.blobs.items():
        (settings.blobs_dir / digest).write_bytes(data)
    content_db.load(settings.content_db, records, 1, time.time())


def _front(folder: Path, port: int) -> str:
    """Return the role's own configuration, moved into `folder`, with room for a machine that plays all guests."""
    return configuration(folder, "127.0.0.1/8", port=port, portal_connections=2000, portal_rate=1_000_000)


def _files(folder: Path, root: Path, port: int) -> str:
    temporary = "".join(f"{kind}_temp_path {folder}/files-{kind}; " for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    return (
        f"{user()}worker_processes 1; pid {folder}/files.pid; error_log stderr warn;\n"
        f"events {{ worker_connections 2048; }}\n"
        f"http {{ access_log off; {temporary} client_body_temp_path {folder}/files-body; default_type text/html;\n"
        f"gzip_static on; server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )


def _await(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
