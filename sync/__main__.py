# SPDX-License-Identifier: EUPL-1.2
"""`python -m sync --config FILE`: events up, replies and content down, until SIGTERM. Only wires."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from edge_core import __version__, broker, clock, events, gateway_key, health, live, logs, reread, settings
from edge_core.errors import ParvisError
from edge_core.store import budget, database, escalation, lives, outbox, quotas, retention
from edge_core.web import dates
from sync import birth, exchange
from sync.content_watch import ContentWatch
from sync.downlink import Downlink
from sync.enrolment.renewal import Renewal
from sync.live import Live
from sync.mqtt import Address, Link, address_of
from sync.neighbours import Neighbours, offer
from sync.release.carry import carry
from sync.service import Service
from sync.sharing import Sharing
from sync.site.exchange import Gateways
from sync.status import note_error
from sync.uplink import Limits
from sync.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

_GREETING = 10.0  # seconds that a platform has for answering a birth; it is required to (contracts/README.md)
_log = logs.get(__name__)


def broker_address(configuration: Settings) -> Address:
    """Return the broker to connect to: the one that is named, else the site's own.

    A site's broker in Python has no bridge: then straight to the platform's, where there is one.
    """
    mqtt, site = configuration.mqtt, configuration.broker
    if mqtt.url:
        return address_of(mqtt.url, mqtt.ca, mqtt.certificate, mqtt.key)
    if site.bridge and broker.kind() == "amqtt":
        return address_of(site.bridge, site.ca, site.certificate, site.key)
    return Address(host=site.bind, port=site.port)


def link_to(address: Address, configuration: Settings, epoch: str) -> Link:
    """Return the connection of this device; raises ConfigurationError where its certificates can't be used."""
    if address.tls:
        address.context()
    root, site = configuration.topic_root, f"parvis/1/{configuration.site.id}"
    return Link(
        address,
        f"parvis-{configuration.site.id}-{configuration.device.id}",
        birth.state(root, epoch, online=False),
        [
            *(f"{root}/{topic}" for topic in ("ack", "reply/+", "desired")),
            f"{site}/feed",
            *(f"{site}/+/live/{what}" for what in ("content", *live.WHATS)),
            *([f"{site}/+/{exchange.TOPIC}"] if _receives_people(configuration) else []),
            *([f"{site}/+/live/gateways"] if configuration.site.gateway_key else []),
        ],
        newest=bool(configuration.mqtt.url) or broker.kind() != "amqtt",
    )


def role_of(configuration: Settings) -> str:
    """Return what this device is, for the platform's list: a gateway has a guests' side."""
    return "gateway" if configuration.lan.interface else "kiosk"


def _receives_people(configuration: Settings) -> bool:
    """Tell whether visits are this device's business: a gateway alone keeps no visitor's name."""
    return bool(configuration.site.key) and (role_of(configuration) == "kiosk" or configuration.desk.listen is not None)


def tell_start(connection: sqlite3.Connection, configuration: Settings) -> None:
    """Record that `sync` started."""
    with database.write(connection):
        outbox.append(connection, events.Up(version=__version__, role=role_of(configuration)), clock.now())


def _share(configuration: Settings) -> Sharing | None:
    """Share content with the site where that is wanted; a port that can't be had is no reason not to sync."""
    if configuration.content.share is None:
        return None
    try:
        return Sharing(configuration).start()
    except OSError as error:
        _log.error("sharing_refused", reason=str(error), remedy="Correct [content] share, or free that port.")
        return None


def _gateways(configuration: Settings, connection: sqlite3.Connection) -> Gateways | None:
    """Talk with the site's other gateways where they share a key. Raises ConfigurationError where it can't be used."""
    key = gateway_key.load(configuration)
    return Gateways(configuration, connection, key, clock.now) if key and configuration.lan.interface else None


def run(configuration: Settings) -> None:
    """Wire and work until SIGTERM or SIGINT."""
    stopped: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _frame: stopped.append(number))
    connection = database.open_edge(configuration.edge_db)
    neighbours = Neighbours(configuration.content.neighbours)
    downlink = Downlink(
        configuration,
        neighbours=lambda: neighbours.urls(clock.monotonic()),
        carry=lambda said, road: carry(said, configuration, road),
    )
    watch = ContentWatch(
        downlink.check,
        configuration.content.interval,
        tell=lambda reason: note_error(configuration, "content", reason, clock.now()),
    )
    witness = lives.Witness(lives.witness_of(configuration.edge_db), lives.machine())
    _look_back(connection, witness)
    _tell_start(connection, configuration)
    kept = configuration.kiosk.visit_days * 86400.0
    forgetting = retention.Forgetting(connection, clock.monotonic(), kept)
    wishes = _wishes(configuration)
    parts = _Parts(
        configuration, connection, watch, neighbours, witness, forgetting, budget.Trimming(), Counter(), wishes
    )
    gateways = _gateways(configuration, connection)
    sharing = _share(configuration)
    offered = offer(configuration.content.share[0], sharing.port) if sharing and configuration.content.share else b""
    watch.start()
    renewal = Renewal(
        configuration.device.state_dir,
        tell=lambda reason: note_error(configuration, "certificate", reason, clock.now()),
    )
    renewal.start()
    while _serve(parts, offered, gateways, lambda: bool(stopped)).restored:
        with database.write(connection):
            lives.begin_anew(connection)
        _log.error("database_restored", remedy="An old copy was put back; events go on under a new epoch.")
    watch.stop()
    renewal.stop()
    witness.keep(outbox.epoch(connection), outbox.last_seq(connection), exact=True)
    _log.info("ended", **parts.counts)
    connection.close()


@dataclass(frozen=True)
class _Parts:
    """What outlives an epoch."""

    configuration: Settings
    connection: sqlite3.Connection
    watch: ContentWatch
    neighbours: Neighbours
    witness: lives.Witness
    forgetting: retention.Forgetting
    trimming: budget.Trimming
    counts: Counter[str]
    wishes: Wishes | None


def _wishes(configuration: Settings) -> Wishes | None:
    """Return what follows the platform's wishes, where it may have any.

    `parvis run` is told to read settings again; under systemd a path unit sees the file change.
    """
    if not configuration.desired.accept:
        return None
    return Wishes(
        configuration.device.state_dir,
        check=lambda wished: settings.load(configuration.source, wished=wished),
        well=lambda: health.answering(configuration),
        reread=lambda: reread.hang_up(configuration.run_dir),
        clock=clock.monotonic,
        patience=configuration.desired.patience,
    )


def _serve(parts: _Parts, offered: bytes, gateways: Gateways | None, stopping: Callable[[], bool]) -> Service:
    """Serve one epoch; return the service that has ended."""
    epoch = outbox.epoch(parts.connection)
    link = link_to(broker_address(parts.configuration), parts.configuration, epoch)
    root = parts.configuration.topic_root
    visits = exchange.Exchange(
        parts.configuration, parts.connection, lambda told: link.publish(f"{root}/{exchange.TOPIC}", told)
    )
    shown = Live(
        parts.configuration,
        parts.connection,
        lambda topic, told: link.publish(f"{root}/{topic}", told, retain=True),
        clock.now,
    )
    hear: dict[str, Callable[[str, bytes], object]] = {
        "content": lambda device, payload: parts.neighbours.hear(device, payload, clock.monotonic()),
        **{what: partial(shown.hear, what) for what in live.WHATS},
    }
    if _receives_people(parts.configuration):
        hear["visits"] = lambda _device, payload: visits.hear(payload)
    if gateways is not None:
        hear["gateways"] = gateways.take
    service = Service(
        parts.configuration,
        parts.connection,
        link,
        clock=clock.monotonic,
        wall=clock.now,
        boot=clock.boot_id(),
        content_version=lambda: parts.watch.version,
        poke=parts.watch.poke,
        counts=parts.counts,
        limits=Limits(greeting=_GREETING),
        hear=hear,
        offer=offered,
        tend=lambda: _tend(parts, epoch, visits, shown),
        talks=[talk for talk in (visits, gateways, shown) if talk],
        wishes=parts.wishes,
        gateways=gateways,
    )
    service.run(stopping)
    return service


def _tend(parts: _Parts, epoch: str, visits: exchange.Exchange, shown: Live) -> None:
    """Do what is due now and then: note how far the outbox is, keep it within its budget, forget what is old."""
    parts.witness.keep(epoch, outbox.last_seq(parts.connection))
    now = clock.now() if clock.synchronised() else None
    parts.counts["forgotten"] += parts.forgetting.turn(clock.monotonic(), now)
    _give_back(parts)
    _tend_visits(parts, now)
    if _receives_people(parts.configuration):
        visits.tend(clock.monotonic(), clock.now())
    shown.tend(clock.monotonic(), clock.now())
    dropped = parts.trimming.turn(parts.connection, parts.counts["acked"], clock.now())
    if dropped:
        parts.counts["dropped"] += dropped
        _log.warning(
            "events_dropped", count=dropped, remedy="The uplink is away for long: look at `parvis sync status`."
        )


def _give_back(parts: _Parts) -> None:
    """Give leases back whose time is over, by whatever the clock says: a wrong one gives back too early or too late."""
    if quotas.are_over(parts.connection, clock.now()):
        with database.write(parts.connection):
            parts.counts["returned"] += quotas.give_back(parts.connection, clock.now())


def _tend_visits(parts: _Parts, now: float | None) -> None:
    """Ask who is next for visitors that wait; when a day is over, end the visits that nobody ended."""
    own, place = parts.configuration.kiosk, parts.configuration.device.id
    patience = escalation.Patience(own.host_patience, own.company_patience, own.platform_patience)
    parts.counts["asked"] += escalation.turn(parts.connection, place, clock.now(), patience)
    if now is not None:
        begins = dates.here(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        parts.counts["closed"] += escalation.close_night(parts.connection, place, begins, now)


def _look_back(connection: sqlite3.Connection, witness: lives.Witness) -> None:
    """Begin a new epoch where the database is an old copy or another machine's, and see that the account is true."""
    try:
        with database.write(connection):
            reason = lives.settle(connection, witness)
            true = outbox.recount(connection)
        witness.keep(outbox.epoch(connection), outbox.last_seq(connection), exact=True)
    except (ParvisError, sqlite3.Error, OSError) as error:
        _log.error("look_back_failed", reason=str(error))
        return
    if reason is not None:
        _log.error("database_from_another_life", reason=reason, remedy="Events go on under a new epoch.")
    if not true:
        _log.error("account_mended", remedy="Rows were changed by another program: look at the disk.")


def _tell_start(connection: sqlite3.Connection, configuration: Settings) -> None:
    try:
        tell_start(connection, configuration)
    except ParvisError as error:  # a full disk must not keep what is already recorded from leaving
        _log.error("start_not_recorded", reason=str(error))


def _tell_stop(connection: sqlite3.Connection) -> None:
    try:
        with database.write(connection):
            outbox.append(connection, events.Down(reason="stopped"), clock.now())
    except (ParvisError, sqlite3.Error) as error:
        _log.error("stop_not_recorded", reason=str(error))


def main() -> int:
    """Read the command line; 1 where the configuration or the store can't be used."""
    parser = argparse.ArgumentParser(prog="python -m sync", description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="the device's configuration (TOML)")
    logs.configure("sync")
    try:
        run(settings.load(parser.parse_args().config))
    except ParvisError as error:
        _log.error("refused", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
