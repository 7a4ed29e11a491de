# SPDX-License-Identifier: EUPL-1.2
"""What a request may bring, over real sockets: too much of anything is refused in one answer, and others go on."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_core.settings import load
from edge_core.store import database
from lab.ports import free_port

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    path, number = folder / "parvis.toml", free_port()
    path.write_text(
        f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "g"\nstate_dir = "{folder}/state"\n'
        '[enforcement]\nmode = "none"\n'
    )
    database.migrate(load(path, {}))
    command = [sys.executable, "-m", "gunicorn", "--config", "python:edge_core.web.server", "--bind"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"127.0.0.1:{number}", "captive_portal.wsgi:app"],
            cwd=ROOT,
            env={**os.environ, "PARVIS_CONFIG": str(path)},
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", number), 1).close()
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)
    yield number
    process.terminate()
    process.wait(20)
    assert "Traceback" not in (folder / "log").read_text()


def status(port, request):
    """Send bytes; return the status of the answer, or None where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        try:
            connection.sendall(request)
            words = connection.recv(65536).split(b" ")
        except ConnectionError:
            return None
    return int(words[1]) if len(words) > 1 else None


def get(headers="", path="/fr/"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode("latin-1")


@pytest.mark.parametrize(
    "request_",
    [
        get(path="/" + "a" * 8000),
        get("X-Long: " + "a" * 9000 + "\r\n"),
        get("".join(f"X-{number}: a\r\n" for number in range(200))),
        get("Content-Length: 5\r\nContent-Length: 6\r\n"),
        get("Content-Length: -1\r\n"),
        get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        get("A header without a colon\r\n"),
        get("Cookie : space\r\n"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /fr/ HTTP/9.9\r\n\r\n",
        b"POST /fr/mail HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
    ],
    ids=[
        "line",
        "field",
        "fields",
        "two lengths",
        "negative",
        "both",
        "no colon",
        "space",
        "TLS",
        "word",
        "version",
        "body",
    ],
)
def test_too_much_or_nonsense_is_refused(port, request_):
    """A 4xx or a closed connection, never a 5xx but "version not supported"; and the next guest is served."""
    answer = status(port, request_)
    assert answer is None or 400 <= answer < 500 or answer == 505
    assert status(port, get()) == 200
