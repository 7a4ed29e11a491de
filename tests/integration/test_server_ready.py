# SPDX-License-Identifier: EUPL-1.2
"""When systemd hears that pages are served: with a real gunicorn, and an application that takes its time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from lab.faults.site import until
from lab.ports import free_port

PATIENCE = 60.0
_APP = """
import pathlib, time
pathlib.Path("loading").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.01)
assert pathlib.Path("go").read_text() == "well"

def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""


@pytest.fixture
def served(tmp_path):
    """Give what hears as systemd does, and the server that has begun to load its application."""
    (tmp_path / "slow.py").write_text(_APP, encoding="utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        words = ["gunicorn", "--config", "python:edge_core.web.server", "--bind", f"127.0.0.1:{free_port()}"]
        words = [sys.executable, "-m", *words, "slow:app"]
        server = subprocess.Popen(words, cwd=tmp_path, env=environ, start_new_session=True)
        try:
            until((tmp_path / "loading").exists, PATIENCE, "the worker")
            yield supervisor, server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def test_ready_is_told_once_the_application_is_there(served, tmp_path):
    """Who waits for the service meets pages; signs of life come only from then on."""
    supervisor, _ = served
    supervisor.setblocking(False)  # noqa: FBT003  the standard library takes no name
    with pytest.raises(BlockingIOError):
        supervisor.recv(64)
    (tmp_path / "go").write_text("well", encoding="utf-8")
    supervisor.settimeout(PATIENCE)
    assert [supervisor.recv(64), supervisor.recv(64)] == [b"READY=1", b"WATCHDOG=1"]


def test_an_application_that_cannot_be_loaded_is_never_ready(served, tmp_path):
    """The server ends instead, and systemd tells that the start failed."""
    supervisor, server = served
    (tmp_path / "go").write_text("broken", encoding="utf-8")
    assert server.wait(PATIENCE) != 0
    supervisor.setblocking(False)  # noqa: FBT003  the standard library takes no name
    with pytest.raises(BlockingIOError):
        supervisor.recv(64)
