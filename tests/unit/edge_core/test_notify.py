# SPDX-License-Identifier: EUPL-1.2
"""What systemd hears from a process."""

from __future__ import annotations

import os
import socket

import pytest

from edge_core import notify
from edge_core.web import server


@pytest.fixture(params=["path", "abstract"])
def supervisor(request, tmp_path, monkeypatch):
    """A socket that listens as systemd does, at a path or an abstract address."""
    name = f"{tmp_path}/notify" if request.param == "path" else f"@parvis-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.setblocking(False)  # noqa: FBT003  the standard library takes no name
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def test_ready_and_alive_reach_the_supervisor(supervisor):
    """Each state is one datagram, as sd_notify(3) writes it."""
    assert notify.ready()
    assert notify.alive()
    assert [supervisor.recv(64), supervisor.recv(64)] == [b"READY=1", b"WATCHDOG=1"]


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/notify", "@parvis-nobody"])
def test_nobody_listening_is_no_error(address):
    """Without systemd, or with one that is deaf, the process goes on."""
    assert not notify.send("READY=1", {"NOTIFY_SOCKET": address})


@pytest.mark.parametrize(("raw", "seconds"), [("30000000", 10.0), ("0", None), ("", None), ("soon", None)])
def test_the_interval_is_a_third_of_the_limit(raw, seconds):
    """A lost beat, or a long step, is no death."""
    assert notify.interval({"WATCHDOG_USEC": raw}) == seconds
    assert notify.interval({}) is None


def test_a_loop_tells_no_more_often_than_wanted(supervisor):
    """A loop that turns a thousand times a second sends a beat in each interval."""
    pulse = notify.Pulse({"WATCHDOG_USEC": "3000000"})
    for turn in range(5000):
        pulse.beat(100 + turn / 1000)
    beats = 0
    while True:
        try:
            beats += supervisor.recv(64) == b"WATCHDOG=1"
        except BlockingIOError:
            break
    assert beats == 5


@pytest.mark.parametrize(
    ("text", "well"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 404 NOT FOUND\r\n", True),
        (b"HTTP/1.1 500 INTERNAL SERVER ERROR\r\n", False),
        (b"HTTP/1.1", False),
        (b"", False),
        (b"SSH-2.0-nonsense 200 \r\n", False),
    ],
)
def test_only_an_answer_is_a_sign_of_life(text, well, tmp_path, monkeypatch):
    """A server error, another protocol or a closed connection is none."""
    ours, theirs = socket.socketpair()

    class Asker:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            ours.close()

        def settimeout(self, _seconds):
            ours.settimeout(1)

        def connect(self, _address):
            theirs.sendall(text)
            theirs.shutdown(socket.SHUT_WR)

        def sendall(self, data):
            ours.sendall(data)

        def recv(self, size):
            return ours.recv(size)

    monkeypatch.setattr(server.socket, "socket", Asker)
    assert server.answers(str(tmp_path / "sock"), 1.0) is well
    theirs.close()


def test_silence_is_no_sign_of_life(tmp_path):
    """An address that accepts and says nothing is not well, and asking it ends in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "deaf"))
        listener.listen(1)
        assert not server.answers(str(tmp_path / "deaf"), 0.05)
    assert not server.answers(str(tmp_path / "absent"), 0.05)
