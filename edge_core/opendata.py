# SPDX-License-Identifier: EUPL-1.2
"""Series of presence that anybody may have: from told windows to hours and days, with their description; pure.

Made of nothing but what was told already, so nothing here is finer than that. Hours and days are the site's own: a day
has 23 or 25 hours when the clocks change.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from edge_core.store.series import Window

WINDOWS, HOURS, DAYS = "windows", "hours", "days"
COLUMNS = {
    WINDOWS: ("zone", "access_point", "start", "seconds", "associated", "online", "arrivals", "departures"),
    HOURS: ("zone", "start", "hours", "windows", "hidden", "mean", "most"),
    DAYS: ("zone", "start", "hours", "windows", "hidden", "mean", "most"),
}
_HOUR = 3600


class Series(NamedTuple):
    """Rows of a series by name, and how many windows were left out, by reason."""

    rows: dict[str, list[dict[str, Any]]]
    left_out: dict[str, int]


def build(windows: Iterable[Window], zone: ZoneInfo, until: float) -> Series:
    """Return the series of told windows that ended by `until` (seconds since 1970).

    Left out and counted: windows that were watched in part, in whose time the clock was set or not known, that came
    twice, or that a flood made worthless; and those that are not over, which a clock in the future may have made.
    """
    left_out: dict[str, int] = defaultdict(int)
    good: list[Window] = []
    for window in windows:
        reason = _flaw(window, until)
        if reason:
            left_out[reason] += 1
        else:
            good.append(window)
    whole = [window for window in good if not window.access_point]
    rows = {
        WINDOWS: [_row(window, zone) for window in good],
        HOURS: _sums(whole, zone, _hour),
        DAYS: _sums(whole, zone, _day),
    }
    return Series(rows, dict(left_out))


def _flaw(window: Window, until: float) -> str:
    if window.start + window.seconds > until:
        return "not over"
    if not window.synchronised:
        return "clock unknown"
    return window.doubt or ("came twice" if window.repeats else "")


def _row(window: Window, zone: ZoneInfo) -> dict[str, Any]:
    shown = {name: getattr(window, name) for name in COLUMNS[WINDOWS]}
    return {**shown, "start": _iso(_local(window.start, zone))}


def _local(moment: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(zone)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _sums(windows: Iterable[Window], zone: ZoneInfo, start_of: Any) -> list[dict[str, Any]]:
    """Return one row for each zone and period; `mean` and `most` are of the windows that were told."""
    periods: dict[tuple[str, datetime], list[int | None]] = defaultdict(list)
    for window in windows:
        # In UTC, so that the hour that the clocks show twice is two hours.
        start = start_of(_local(window.start, zone)).astimezone(UTC)
        periods[window.zone, start].append(window.associated)
    rows = []
    for (name, start), counts in sorted(periods.items()):
        told = [count for count in counts if count is not None]
        local = start.astimezone(zone)
        rows.append(
            {
                "zone": name,
                "start": _iso(local),
                "hours": 1 if start_of is _hour else _hours_of(local, zone),
                "windows": len(counts),
                "hidden": len(counts) - len(told),
                "mean": round(mean(told)) if told else None,
                "most": max(told, default=None),
            }
        )
    return rows


def _hours_of(day: datetime, zone: ZoneInfo) -> int:
    following = (day.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    return round((following.astimezone(UTC) - day.astimezone(UTC)).total_seconds() / _HOUR)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def description(
    *, site: str, name: str, publisher: str, licence: str, first: str, last: str, made: str, files: dict[str, int]
) -> dict[str, Any]:
    """Return the data set's description: DCAT-AP 3 as JSON-LD. `files` are names with their bytes."""
    return {
        "@context": {
            "dcat": "http://www.w3.org/ns/dcat#",
            "dct": "http://purl.org/dc/terms/",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@id": f"urn:parvis:{site}:presence",
        "@type": "dcat:Dataset",
        "dct:identifier": f"parvis-{site}-presence",
        "dct:title": [
            {"@value": f"Fréquentation du WiFi public, {name}", "@language": "fr"},
            {"@value": f"Occupancy of the public WiFi, {name}", "@language": "en"},
        ],
        "dct:description": [
            {"@value": _DESCRIPTION_FR, "@language": "fr"},
            {"@value": _DESCRIPTION_EN, "@language": "en"},
        ],
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": publisher},
        "dct:language": [
            {"@id": f"http://publications.europa.eu/resource/authority/language/{code}"} for code in ("FRA", "ENG")
        ],
        "dcat:theme": {"@id": "http://publications.europa.eu/resource/authority/data-theme/REGI"},
        "dct:accessRights": {"@id": "http://publications.europa.eu/resource/authority/access-right/PUBLIC"},
        "dct:accrualPeriodicity": {"@id": "http://publications.europa.eu/resource/authority/frequency/DAILY"},
        "dct:issued": {"@value": made, "@type": "xsd:dateTime"},
        "dct:temporal": {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": {"@value": first, "@type": "xsd:date"},
            "dcat:endDate": {"@value": last, "@type": "xsd:date"},
        },
        "dcat:distribution": [_distribution(file, size, licence) for file, size in sorted(files.items())],
    }


def _distribution(file: str, size: int, licence: str) -> dict[str, Any]:
    kind = file.rpartition(".")[2]
    media = {"csv": "text/csv", "json": "application/json"}[kind]
    return {
        "@type": "dcat:Distribution",
        "dct:title": file,
        "dcat:accessURL": {"@id": file},
        "dcat:downloadURL": {"@id": file},
        "dcat:byteSize": size,
        "dcat:mediaType": {"@id": f"https://www.iana.org/assignments/media-types/{media}"},
        "dct:format": {"@id": f"http://publications.europa.eu/resource/authority/file-type/{kind.upper()}"},
        "dct:license": {"@id": licence},
    }


_DESCRIPTION_FR = (
    "Nombre d’appareils présents par tranche de cinq minutes, par heure et par jour. Moins de dix : non communiqué "
    "(vide) ; sinon arrondi à cinq. Aucun appareil ni personne n’est suivi."
)
_DESCRIPTION_EN = (
    "Number of devices present, by windows of five minutes, hours and days. Fewer than ten: not told (empty); others "
    "are rounded to five. No device and no person is followed."
)
