# SPDX-License-Identifier: EUPL-1.2
"""Content down: one changed record of 10,000, and a whole start, against curl fetching the same files."""

from __future__ import annotations

import functools
import http.server
import io
import random
import subprocess
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from PIL import Image

from edge_core import settings
from edge_core.store.replica import Replica
from sync.downlink import Downlink
from sync.publish import keys, publisher

if TYPE_CHECKING:
    from pathlib import Path

_RECORDS, _IMAGES = 10_000, 500
_WORDS = ("bois", "pierre", "eau", "code", "vent")


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def measure(folder: Path) -> dict[str, float]:
    """Return bytes and seconds of each step."""
    source = folder / "source"
    _write(source, changed=False)
    keys.make(folder / "keys", time.time())
    publisher.publish(source, folder / "repository", folder / "keys", time.time())
    handler = functools.partial(_Handler, directory=str(folder / "repository"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    config = folder / "device.toml"
    config.write_text(
        f'[site]\nid = "site"\nname = "Site"\n[device]\nid = "device"\nstate_dir = "{folder}/state"\n'
        f'[content]\nurl = "{url}"\nroot = "{folder}/keys/root.json"\n',
        encoding="utf-8",
    )
    found: dict[str, float] = {"curl": min(_curl(folder, url) for _ in range(2))}
    configuration = settings.load(config, {})
    with closing(Downlink(configuration)) as downlink, closing(Replica(configuration.content_db)) as replica:
        begun = time.monotonic()
        if downlink.check().error is not None:
            raise AssertionError("the bootstrap failed")
        found["bootstrap"] = time.monotonic() - begun
        before = _files(folder / "repository")
        _write(source, changed=True)
        begun = time.monotonic()
        publisher.publish(source, folder / "repository", folder / "keys", time.time())
        found["publish"] = time.monotonic() - begun
        new = {name: size for name, size in _files(folder / "repository").items() if name not in before}
        found["change_octets"] = sum(size for name, size in new.items() if not name.startswith("metadata/"))
        begun = time.monotonic()
        downlink.check()
        if "Nouveau" not in str(replica.get("companies", "exemple-7")):
            raise AssertionError("the change did not arrive")
        found["apply"] = time.monotonic() - begun
    server.shutdown()
    return found


def _write(source: Path, *, changed: bool) -> None:
    (source / "pages").mkdir(parents=True, exist_ok=True)
    (source / "park.toml").write_text('name = "Parc Exemple"\n', encoding="utf-8")
    (source / "pages" / "terms.fr.md").write_text('+++\ntitle = "Conditions"\n+++\nTexte.\n', encoding="utf-8")
    words = random.Random(7)
    rows = [
        f"exemple-{n},Exemple Fictif {n} SARL,{' '.join(words.choices(_WORDS, k=12))}"
        f"{' Nouveau' if changed and n == 7 else ''}"
        for n in range(_RECORDS)
    ]
    (source / "companies.csv").write_text("\n".join(["id,name,activity_fr", *rows]) + "\n", encoding="utf-8")
    images = source / "images" / "companies"
    if not images.exists():
        images.mkdir(parents=True)
        for n in range(_IMAGES):
            out = io.BytesIO()
            Image.frombytes("RGB", (60, 40), words.randbytes(7200)).resize((600, 400)).save(out, "JPEG", quality=85)
            (images / f"exemple-{n}.jpg").write_bytes(out.getvalue())


def _files(repository: Path) -> dict[str, int]:
    return {
        path.relative_to(repository).as_posix(): path.stat().st_size
        for path in repository.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _curl(folder: Path, url: str) -> float:
    """Return the seconds that curl takes for every file of the repository, over one connection."""
    target = folder / "curl"
    lines = [f'url = "{url}/{name}"\noutput = "{target}/{name}"' for name in _files(folder / "repository")]
    (folder / "curl.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    begun = time.monotonic()
    subprocess.run(["curl", "--silent", "--fail", "--create-dirs", "--config", str(folder / "curl.conf")], check=True)
    return time.monotonic() - begun
