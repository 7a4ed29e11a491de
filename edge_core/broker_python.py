# SPDX-License-Identifier: EUPL-1.2
"""The site's broker in Python (amqtt), for machines without Mosquitto: MQTT 3.1.1 on loopback, no bridge, no disk.

The only module that imports amqtt. Run as `python -m edge_core.broker_python --config FILE`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from typing import Any

from edge_core import logs, settings
from edge_core.errors import ParvisError, ProcessError


def configuration(bind: str, port: int) -> dict[str, Any]:
    """Return amqtt's configuration: one listener, anyone on this machine may connect, no $SYS topics."""
    host = f"[{bind}]" if ":" in bind else bind
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 100}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


async def serve(bind: str, port: int) -> None:
    """Run the broker until SIGTERM or SIGINT; raises ProcessError where amqtt is missing or the port is taken."""
    try:
        from amqtt.broker import Broker  # noqa: PLC0415  an optional dependency, named in the error below
        from amqtt.errors import AMQTTError, BrokerError  # noqa: PLC0415
    except ImportError as error:
        raise ProcessError(
            "Neither Mosquitto nor amqtt is installed.",
            remedy="Run `apt install mosquitto`, or `pip install parvis[broker]`.",
        ) from error
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    broker = Broker(configuration(bind, port))
    try:
        await broker.start()
    except (AMQTTError, BrokerError) as error:
        raise ProcessError(
            f"The site's broker can't listen on {bind}:{port}: {error}.",
            remedy="End what holds the port, or change [broker] port.",
        ) from error
    await stop.wait()
    with contextlib.suppress(AMQTTError, BrokerError, TimeoutError):
        await asyncio.wait_for(broker.shutdown(), 2.0)


def main() -> int:
    """Read the configuration and serve."""
    parser = argparse.ArgumentParser(prog="python -m edge_core.broker_python", description=serve.__doc__)
    parser.add_argument("--config", required=True, metavar="FILE")
    logs.configure("broker")
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it logs a traceback for each client that goes away
    try:
        broker = settings.load(parser.parse_args().config).broker
        asyncio.run(serve(broker.bind, broker.port))
    except ParvisError as error:
        logs.get(__name__).error("broker_refused", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
