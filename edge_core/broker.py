# SPDX-License-Identifier: EUPL-1.2
"""The site's own broker: writes its configuration and says which command runs it; nothing is started here.

Mosquitto where it is installed, bridged to the platform's broker; a broker in Python (`broker_python`) elsewhere.
Neither is trusted with anything: whatever it loses is sent again until the platform itself acknowledges it.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from edge_core import logs
from edge_core.errors import ConfigurationError, ParvisError, ProcessError
from edge_core.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

_log = logs.get(__name__)
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where Debian puts mosquitto, and where a user's PATH doesn't look
_TLS_PORT, _PLAIN_PORT = 8883, 1883
_SYSTEM_CAS = "/etc/ssl/certs"
# What goes up and what comes down; both are disjoint, so that no message can run in a circle.
_UP = ("ev/#", "state", "birth", "replied", "reported")
_DOWN = ("ack", "reply/#", "desired")
_CONFIGURATION, _ACCESS = "mosquitto.conf", "mosquitto.acl"


def kind() -> Literal["mosquitto", "amqtt"]:
    """Return which broker this machine runs."""
    return "mosquitto" if _mosquitto() else "amqtt"


def command(settings: Settings) -> list[str]:
    """Write the broker's configuration and return the words that run it in the foreground.

    Raises ConfigurationError where it would be open to a network, ProcessError where its files can't be written.
    """
    program = _mosquitto()
    if program is None:
        _require_private(settings)
        return [sys.executable, "-m", "edge_core.broker_python", "--config", str(settings.source)]
    texts = _texts(settings)
    try:
        settings.generated_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        (settings.device.state_dir / "mosquitto").mkdir(parents=True, exist_ok=True, mode=0o750)
        for file, text in texts.items():
            fresh = file.with_suffix(".new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(file)
    except OSError as error:
        raise ProcessError(
            f"{settings.generated_dir}: can't be written ({error.strerror}).",
            remedy="Free some room, or make [device] state_dir a folder that this user may write.",
        ) from error
    return [program, "-c", str(settings.generated_dir / _CONFIGURATION)]


def reread(settings: Settings, pid: int) -> None:
    """Have the Mosquitto that runs read certificates and revocations again (SIGHUP, mosquitto(8)): no connection ends.

    Raises ProcessError where its own configuration is another one now, which it would take at a new start alone.
    """
    try:
        same = all(file.read_text(encoding="utf-8") == text for file, text in _texts(settings).items())
        if same:
            os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise ProcessError(
            f"Process {pid} can't be told to read its files again ({error}).", remedy="systemctl restart parvis-broker"
        ) from error
    if not same:
        raise ProcessError(
            "[broker] or [mqtt] is another one than the broker started with.", remedy="systemctl restart parvis-broker"
        )


def main() -> None:
    """Become the broker (`python -m edge_core.broker --config FILE`), as its unit does; exits with 1 on refusal.

    With `--reload PID` the broker that runs as that process reads its files again instead.
    """
    parser = argparse.ArgumentParser(prog="python -m edge_core.broker")
    parser.add_argument("--config", required=True, metavar="FILE", help="the device's configuration (TOML)")
    parser.add_argument("--reload", type=int, metavar="PID", help="have the broker that runs read its files again")
    asked = parser.parse_args()
    logs.configure("broker")
    try:
        settings = load(asked.config)
        if asked.reload:
            reread(settings, asked.reload)
            return
        words = command(settings)
    except ParvisError as error:
        _log.error("refused", reason=str(error))
        sys.exit(1)
    os.execv(words[0], words)  # noqa: S606  a fixed list of words; systemd goes on watching this process


def mosquitto_conf(settings: Settings) -> str:
    """Return mosquitto.conf(5) for this site; raises ConfigurationError as `command` does."""
    _require_private(settings)
    lines = [
        "# Written by Parvis at each start: changes here are lost.",
        # Without it, mosquitto as root changes to its own user, who can't write the state folder, and who doesn't
        # exist in an unprivileged user namespace. Units start it as an ordinary user; then this line has no effect.
        "user root",
        *(["per_listener_settings true"] if settings.broker.lan else []),
        f"listener {settings.broker.port} {settings.broker.bind}",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {_quiet(settings.device.state_dir / 'mosquitto')}/",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        # Bounds: nothing here is precious, so a queue only needs to hold one window of each device.
        "max_inflight_messages 100",
        "max_queued_messages 1000",
        "max_queued_bytes 33554432",
        "message_size_limit 1048576",
        "persistent_client_expiration 1d",
    ]
    return "\n".join([*lines, *_lan(settings), *_bridge(settings)]) + "\n"


def access_list(site: str) -> str:
    """Return what a device may say and hear on the site's broker, as mosquitto's ACL: itself alone, and what all hear.

    %u is the name in its certificate, SITE/DEVICE. A topic that isn't named here is refused.
    """
    own = "parvis/1/%u"
    lines = [f"pattern write {own}/{what}" for what in (*_UP, "live/#")]
    lines += [f"pattern read {own}/{what}" for what in _DOWN]
    lines += [f"pattern read parvis/1/{site}/{what}" for what in ("feed", "+/live/#")]
    return "\n".join(["# Written by Parvis at each start: changes here are lost.", *lines]) + "\n"


def _texts(settings: Settings) -> dict[Path, str]:
    """Return what Mosquitto reads, by its file; raises ConfigurationError as `command` does."""
    folder = settings.generated_dir
    return {folder / _CONFIGURATION: mosquitto_conf(settings), folder / _ACCESS: access_list(settings.site.id)}


def _lan(settings: Settings) -> list[str]:
    """Return the listener for the site's devices: each shows a certificate, and speaks for itself alone."""
    broker = settings.broker
    if broker.lan is None:
        return []
    for key in ("lan_ca", "lan_certificate", "lan_key"):
        if getattr(broker, key) is None:
            raise ConfigurationError(
                f"{settings.source}: [broker] {key} is missing; [broker] lan needs it.",
                remedy="Devices on a network show who they are by certificates: name all three files.",
            )
    host, port = broker.lan
    return [
        f"listener {port} {host}",
        "allow_anonymous false",
        "require_certificate true",
        "use_identity_as_username true",
        "tls_version tlsv1.2",
        f"cafile {_quiet(broker.lan_ca)}",
        f"certfile {_quiet(broker.lan_certificate)}",
        f"keyfile {_quiet(broker.lan_key)}",
        *([f"crlfile {_quiet(broker.lan_revoked)}"] if broker.lan_revoked else []),
        f"acl_file {_quiet(settings.generated_dir / _ACCESS)}",
    ]


def _bridge(settings: Settings) -> list[str]:
    broker = settings.broker
    if not broker.bridge:
        return []
    url = urlsplit(broker.bridge)
    secure = url.scheme == "mqtts"
    site = f"parvis/1/{settings.site.id}"
    name = f"parvis-{settings.site.id}-{settings.device.id}-bridge"
    lines = [
        f"connection {name}",
        f"address {url.hostname}:{url.port or (_TLS_PORT if secure else _PLAIN_PORT)}",
        f"remote_clientid {name}",
        "cleansession true",
        "restart_timeout 1 30",
        "keepalive_interval 30",
        "try_private true",
        "notifications false",
        *(f"topic {site}/+/{what} out 1" for what in _UP),
        *(f"topic {site}/+/{what} in 1" for what in _DOWN),
        f"topic {site}/feed in 1",
    ]
    if secure:
        lines += [f"bridge_cafile {_quiet(broker.ca)}" if broker.ca else f"bridge_capath {_SYSTEM_CAS}"]
    if secure and broker.certificate and broker.key:
        lines += [f"bridge_certfile {_quiet(broker.certificate)}", f"bridge_keyfile {_quiet(broker.key)}"]
    return lines


def _require_private(settings: Settings) -> None:
    """Refuse to open a broker without passwords to anything but this machine."""
    bind = settings.broker.bind
    try:
        private = bind == "localhost" or ipaddress.ip_address(bind).is_loopback
    except ValueError:
        private = False
    if not private:
        raise ConfigurationError(
            f"{settings.source}: [broker] bind is {bind!r}: the site's broker asks for no password.",
            remedy='Keep it on this machine with bind = "127.0.0.1".',
        )


def _quiet(path: Path | None) -> str:
    """Return a path as mosquitto.conf takes it: raw, to the end of its line."""
    text = str(path)
    if not text.isprintable():
        raise ConfigurationError(f"{text!r} holds a character that mosquitto.conf can't.", remedy="Rename the folder.")
    return text


def _mosquitto() -> str | None:
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN)))


if __name__ == "__main__":
    main()
