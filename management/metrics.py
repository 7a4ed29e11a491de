# SPDX-License-Identifier: EUPL-1.2
"""A reading as Prometheus metrics (text exposition format 0.0.4); numbers of the device, never of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from management.readings import Reading

_EVENTS = ("created", "acked", "pending", "dropped")


def exposition(read: Callable[[], Reading | None]) -> bytes:
    """Return the page that Prometheus scrapes. `parvis_up` is 0, and alone, while the database can't be read."""
    registry = CollectorRegistry()
    registry.register(_Device(read()))
    return generate_latest(registry)


class _Device(Collector):
    def __init__(self, reading: Reading | None) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        yield _gauge("parvis_up", "1 while the device's database can be read.", self._reading is not None)
        if self._reading is not None:
            yield from _of_device(self._reading)
            yield from _of_guests(self._reading)
            yield from _of_events(self._reading)


def _of_device(reading: Reading) -> Iterator[Metric]:
    facts = reading.facts
    told = {"version": str(facts["version"]), "site": facts["site"], "device": facts["device"]}
    yield InfoMetricFamily("parvis", "Which device this is, and of which version.", value=told)
    yield _gauge("parvis_agent_up", "1 while the agent answers on its socket.", facts["agent"])
    yield from _known("parvis_content_version", "Version of the content that is served.", reading.content_version)
    yield from _known(
        "parvis_content_age_seconds", "Since content was last found to be the newest.", reading.content_age
    )
    yield from _known(
        "parvis_uplink_up", "1 while the Internet is there.", None if reading.uplink is None else reading.uplink.up
    )
    yield from _known("parvis_certificate_usable", "1 while the portal's certificate is good for a week more.",
                      reading.certificate)  # fmt: skip
    yield from _known("parvis_disk_free_bytes", "Room in the state folder's file system.", reading.disk_free)
    yield from _known("parvis_disk_bytes", "Size of that file system.", reading.disk_total)


def _of_guests(reading: Reading) -> Iterator[Metric]:
    facts = reading.facts
    if not facts["agent"]:
        return  # a kiosk, or nobody who counts: no number is better than 0
    guests = GaugeMetricFamily("parvis_guests", "Devices of guests now, by state.", labels=["state"])
    for state in ("present", "online"):
        guests.add_metric([state], facts["guests"][state])
    yield guests
    yield _gauge("parvis_sessions_active", "Sessions that have not ended.", facts["sessions"]["active"])
    yield CounterMetricFamily("parvis_redirects", "Requests that were led to the portal.", value=facts["redirected"])
    refused = CounterMetricFamily("parvis_refused", "What was refused, by reason.", labels=["reason"])
    for reason, count in sorted(facts["refused"].items()):
        refused.add_metric([reason], count)
    yield refused
    yield _gauge("parvis_rogues", "Guests that play the router or the DHCP server.", len(facts["rogues"]))


def _of_events(reading: Reading) -> Iterator[Metric]:
    events = GaugeMetricFamily(
        "parvis_events", "The loss account: created = acked + pending + dropped, by stream.", labels=["stream", "state"]
    )
    oldest = GaugeMetricFamily("parvis_outbox_oldest_seconds", "Age of the oldest that waits.", labels=["stream"])
    for stream, (account, age) in reading.streams.items():
        for state in _EVENTS:
            events.add_metric([stream, state], getattr(account, state))
        if age is not None:
            oldest.add_metric([stream], age)
    yield events
    yield oldest
    balanced = all(account.balanced for account, _ in reading.streams.values())
    yield _gauge("parvis_account_balanced", "1 while the loss account balances.", balanced)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=float(value))


def _known(name: str, about: str, value: float | None) -> Iterator[Metric]:
    """Yield nothing for what nobody can tell."""
    if value is not None:
        yield _gauge(name, about, value)
