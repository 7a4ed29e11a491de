# SPDX-License-Identifier: EUPL-1.2
"""The platform's MQTT broker in the lab: Mosquitto where it is installed, amqtt elsewhere; open, for a lab alone.

`python -m lab.broker ADDRESS PORT` is the second kind.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from edge_core import broker, broker_python


def words(address: str, port: int, folder: Path) -> list[str]:
    """Write the configuration and return the words that run the broker in the foreground."""
    if broker.kind() == "amqtt":
        return [sys.executable, "-m", "lab.broker", address, str(port)]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mosquitto.conf"
    lines = [f"listener {port} {address}", "allow_anonymous true", "user root", "log_dest stderr", "log_type error"]
    file.write_text("\n".join([*lines, "max_queued_messages 100000"]) + "\n", encoding="utf-8")
    return ["mosquitto", "-c", str(file)]


def main() -> None:
    """Run amqtt until ended."""
    address, port = sys.argv[1:3]
    with suppress(KeyboardInterrupt):
        asyncio.run(broker_python.serve(address, int(port)))


if __name__ == "__main__":
    main()
