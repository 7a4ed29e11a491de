# SPDX-License-Identifier: EUPL-1.2
"""The reception desk as its unit starts it: by TLS alone, with signs of life that systemd hears."""

import os
import socket
import ssl
import subprocess
import sys
import urllib.request

import pytest

from edge_core import settings
from edge_core.store import database
from lab import ca
from lab.ports import free_port

pytestmark = pytest.mark.integration
SECONDS = 60.0
WORDS = [sys.executable, "-m", "kiosk.desk_server", "--config"]


def configuration(folder, text):
    file = folder / "parvis.toml"
    file.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "kiosk-1"\nstate_dir = "{folder / "state"}"\n{text}',
        encoding="utf-8",
    )
    return file


def test_the_desk_answers_by_tls_and_says_that_it_lives(tmp_path):
    """Its door answers over HTTPS, a plain question gets nothing, and the watchdog hears of it again and again."""
    authority, port = ca.Authority(tmp_path / "ca"), free_port()
    certificate, key = authority.issue("localhost")
    file = configuration(
        tmp_path, f'[desk]\nlisten = "127.0.0.1:{port}"\ncertificate = "{certificate}"\nkey = "{key}"\n'
    )
    database.migrate(settings.load(file, {}))
    told = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(told))
        supervisor.settimeout(SECONDS)
        process = subprocess.Popen(
            [*WORDS, str(file)], env={**os.environ, "NOTIFY_SOCKET": str(told), "WATCHDOG_USEC": "1000000"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert sum(supervisor.recv(200) == b"WATCHDOG=1" for _ in range(4)) >= 2
            trusted = ssl.create_default_context(cafile=str(authority.certificate_file))
            with urllib.request.urlopen(
                f"https://localhost:{port}/fr/reception", timeout=SECONDS, context=trusted
            ) as page:
                assert page.url.endswith("/fr/reception/door")
            with socket.create_connection(("localhost", port), SECONDS) as plain:
                plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert b"/reception" not in plain.makefile("rb").read()
        finally:
            process.terminate()
            process.wait(SECONDS)


def test_without_an_address_it_says_what_to_do(tmp_path):
    """Started by mistake, it names the file, the key and the remedy."""
    file = configuration(tmp_path, "")
    done = subprocess.run([*WORDS, str(file)], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 1
    assert f"{file}: [desk] listen is empty" in done.stderr


def test_a_key_that_cannot_be_read_is_said_at_the_start(tmp_path):
    """It doesn't start and then refuse every connection."""
    certificate, _ = ca.Authority(tmp_path / "ca").issue("localhost")
    gone = tmp_path / "gone.key"
    file = configuration(tmp_path, f'[desk]\nlisten = "127.0.0.1:1"\ncertificate = "{certificate}"\nkey = "{gone}"\n')
    done = subprocess.run([*WORDS, str(file)], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 1
    assert "[desk] certificate and key can't be used" in done.stderr
