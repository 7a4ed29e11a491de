# SPDX-License-Identifier: EUPL-1.2
"""Starts the reference platform: one process, one file, one port. Only wires."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server

from lab.platform import leasing, quotas, store
from lab.platform.contract import Contract
from lab.platform.feed import Watch
from lab.platform.inbox import Inbox
from lab.platform.link import Certificates, Link
from lab.platform.web import Surroundings, create_app
from lab.platform.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.serving import BaseWSGIServer

    from lab.platform.jetstream import Pull


class Handler(WSGIRequestHandler):
    """Keeps connections open, gives up on silent ones, and logs no visitor."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_request(self, *_args: Any) -> None:
        """Say nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return 2 with a remedy on standard error when it can't start."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s platform %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        serve(options)
    except (store.StoreError, ValueError, OSError) as error:
        print(f"platform: {error}", file=sys.stderr)
        return 2
    return 0


def serve(options: argparse.Namespace) -> None:
    """Wire the parts, start them, wait for the end, stop them in order."""
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    inbox, contract, connection = Inbox(), Contract(), store.open_writer(options.store)
    _put_quotas(connection, options.quota)
    sites = _Sites(options.store, options.feed_site)
    link = Link(
        options.broker, inbox, group=options.group, listens=not options.stream,
        tls=Certificates(options.ca, options.certificate, options.key),
    )  # fmt: skip
    sources = _sources(options, inbox)
    watch = Watch(options.repository, sites, link.publish_feed)
    accept, term = options.answer == "accept", options.lease_seconds
    writer = Writer(connection, contract, inbox, link.publish, accept=accept, term=term, keep_days=options.keep_days)
    link.on_up = (watch.tell_again, writer.greet)
    surroundings = Surroundings(
        options.store, options.repository, inbox, options.answer == "manual",
        lambda: link.up and all(source.up for source in sources), lambda: writer.failure, lambda: watch.version,
    )  # fmt: skip
    server = _listen(options.bind, options.port, create_app(surroundings))
    for start in (writer.start, link.start, watch.start, *(source.start for source in sources)):
        start()
    threading.Thread(target=server.serve_forever, name="web", daemon=True).start()
    print(f"ready http://{options.bind}:{server.server_port}/", flush=True)
    ending.wait()
    for end in (
        server.shutdown,
        watch.end,
        *(source.end for source in sources),
        link.end,
        writer.end,
        server.server_close,
    ):
        end()


def _put_quotas(connection: store.Connection, told: Sequence[str]) -> None:
    """Say of each scarce thing how many there are. Raises BadQuotaError, ValueError where more are taken."""
    for text in told:
        with store.transaction(connection):
            if not quotas.put(connection, quotas.read_option(text)):
                raise ValueError(f"--quota {text}: more of it are promised already. Give a higher number.")


def _sources(options: argparse.Namespace, inbox: Inbox) -> list[Pull]:
    """Return the stream to read from, where devices' messages don't come straight from the broker."""
    if not options.stream:
        return []
    from lab.platform.jetstream import Pull  # noqa: PLC0415 - nats is needed only where it is used

    return [Pull(options.stream, inbox, options.replicas)]


class _Sites:
    """The sites to tell of new content: those that were asked for, and those whose devices are known."""

    def __init__(self, path: str | Path, asked: list[str]) -> None:
        self._path = path
        self._asked = asked

    def __call__(self) -> list[str]:
        connection = store.open_reader(self._path)
        try:
            known = [row["site"] for row in connection.execute("SELECT DISTINCT site FROM devices")]
        finally:
            connection.close()
        return sorted({*self._asked, *known})


def _listen(bind: str, port: int, app: Any) -> BaseWSGIServer:
    """Bind first, so that a taken port is an error with a remedy and not a stack."""
    try:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((bind, port))
    except OSError as error:
        message = f"Can't listen on {bind} port {port}: {error.strerror}. Choose another with --bind or --port."
        raise OSError(message) from error
    return make_server(bind, port, app, threaded=True, request_handler=Handler)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.platform", description=__doc__)
    parser.add_argument("--store", required=True, help="its SQLite file, made when absent, or postgresql://…")
    parser.add_argument("--broker", required=True, help="mqtt://HOST:PORT; it may come later")
    parser.add_argument("--ca", help="who is believed to be the broker, with mqtts://")
    parser.add_argument("--certificate", help="our certificate for the broker")
    parser.add_argument("--key", help="its key")
    parser.add_argument("--group", help="share what comes with other platforms of this group ($share; one database)")
    parser.add_argument("--stream", help="nats://HOST:PORT,…: read from a JetStream there; --broker is its MQTT")
    parser.add_argument("--replicas", type=int, default=3, help="of that stream")
    parser.add_argument("--repository", type=Path, required=True, help="the signed content repository to serve")
    parser.add_argument("--feed-site", action="append", default=[], help="a site to tell of new content (repeatable)")
    parser.add_argument("--answer", choices=("accept", "manual"), default="accept", help="what becomes of requests")
    parser.add_argument(
        "--quota", action="append", default=[], metavar="KIND/SUBJECT[/SLOT]=N:SHARE[:request]",
        help="there are N of it; SHARE of them go into a lease of each device, a unit for each person (repeatable)",
    )  # fmt: skip
    parser.add_argument("--lease-seconds", type=float, default=leasing.TERM, help="how long a lease runs")
    parser.add_argument("--keep-days", type=int, default=0, help="forget what is older (README.md); 0: keep all")
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8082, help="0: any free one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
