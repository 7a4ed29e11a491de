# SPDX-License-Identifier: EUPL-1.2
"""How gunicorn serves our applications (`--config python:edge_core.web.server`) and tells systemd that they answer.

The worker asks its own address for a page, through the same socket, threads and application as anybody else. Only an
answer counts as a sign of life, so a process that lives and doesn't serve is started again.
"""

from __future__ import annotations

import gc
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from edge_core import notify

if TYPE_CHECKING:
    from collections.abc import Sequence

# The names below are gunicorn's settings.
worker_class = "gthread"
# One worker with threads: on a 1 GB Pi a second worker costs more memory than it gives speed.
workers = 1
threads = 16
graceful_timeout = 3
timeout = 30
# A browser's idle connection to another site was led here before the device went online, and would stay led here after:
# it must not be used again.
keepalive = 0
backlog = 1024
# What one request may bring before anything of ours reads it; no device of a person comes near.
limit_request_line = 4094
limit_request_fields = 104  # what the front hands on, and its own
limit_request_field_size = 8190
# The worker's heartbeat file stays off the memory card.
worker_tmp_dir = "/dev/shm"  # noqa: S108  a folder for gunicorn's unlinked file
# Signals are enough; a second way in is one more thing to guard.
control_socket_disable = True

_QUESTION = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_SERVER_ERROR = 500
_SUPERVISOR, _KEPT = "NOTIFY_SOCKET", "PARVIS_NOTIFY_SOCKET"


def on_starting(_arbiter: Any) -> None:
    """Keep systemd's address from gunicorn: it says that it is ready before it has loaded the application."""
    if _SUPERVISOR in os.environ:
        os.environ[_KEPT] = os.environ.pop(_SUPERVISOR)


def post_worker_init(worker: Any) -> None:
    """Tell systemd that the application serves, and start to watch, in a thread, where it asks for signs of life."""
    if _KEPT in os.environ:
        os.environ[_SUPERVISOR] = os.environ.pop(_KEPT)
        notify.ready()
    # What is loaded by now stays; a collection that walks it all holds every guest up for longer than a page takes.
    gc.collect()
    gc.freeze()
    every = notify.interval()
    if every is not None:
        address = worker.sockets[0].getsockname()
        words = [address, every, bool(worker.cfg.is_ssl)]
        threading.Thread(target=_watch, args=words, name="watchdog", daemon=True).start()


def answers(address: str | Sequence[Any], seconds: float, *, secure: bool = False) -> bool:
    """Tell whether an application answers at `address` (a path or host and port) with less than a server error.

    With `secure` by TLS, whatever its certificate says: it is this process that is asked, by its own socket.
    """
    family = socket.AF_UNIX if isinstance(address, (str, bytes)) else _family(address)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as asker:
            asker.settimeout(seconds)
            asker.connect(address if isinstance(address, (str, bytes)) else tuple(address))
            with _unchecked().wrap_socket(asker) if secure else asker as asked:
                asked.sendall(_QUESTION)
                words = asked.recv(64).split(b" ", 2)
    except OSError:
        return False
    return words[0].startswith(b"HTTP/1.") and words[1:] != [] and words[1].isdigit() and int(words[1]) < _SERVER_ERROR


def _family(address: Sequence[Any]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _watch(address: str | Sequence[Any], every: float, secure: bool) -> None:
    while True:
        if answers(address, every, secure=secure):
            notify.alive()
        time.sleep(every)
