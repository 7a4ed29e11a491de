# SPDX-License-Identifier: EUPL-1.2
"""Reads the park's forecast (weather.json): Locationforecast 2.0, which is GeoJSON (RFC 7946) with a time series.

Anybody may fetch such a file, or write one. Only what a screen shows is kept: hours, degrees Celsius, the sky.
Who wants to be named, as the makers of forecasts do, is in a foreign member of the feature, `attribution`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sync.publish import rows, tables

if TYPE_CHECKING:
    from pathlib import Path

    from sync.publish.problems import Problems

_FILE = "weather.json"
_SYMBOL = re.compile(
    r"(?:(?P<clear>clearsky|fair)|(?P<partly>partlycloudy)|(?P<cloudy>cloudy)|(?P<fog>fog)"
    r"|(?:light|heavy)?s?(?P<falls>rain|sleet|snow)(?:showers)?(?P<thunder>andthunder)?)"
    r"(?:_(?P<when>day|night|polartwilight))?"
)
"""The `symbol_code`s: a kind of sky, strength, showers, thunder, day or night (two of them are written lightss…)."""
_PERIODS = ("next_1_hours", "next_6_hours", "next_12_hours")
_COLDEST, _WARMEST = -60.0, 60.0
_MOST = 96
_EXPORT = "Export it again in the format of Locationforecast 2.0 (compact)."


def forecast(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return one record, "forecast", with up to 96 hours in turn; none where there is no weather.json."""
    path = folder / _FILE
    text = tables.decoded(path, _FILE, problems) if path.is_file() else ""
    if not text:
        return []
    try:
        told = json.loads(text)
        meta, series = told["properties"]["meta"], told["properties"]["timeseries"]
        updated, unit = _moment(meta["updated_at"]), meta["units"]["air_temperature"]
    except json.JSONDecodeError as error:
        problems.add(_FILE, error.lineno, f"it is not JSON ({error.msg}).", "Correct this line.")
        return []
    except (KeyError, TypeError, ValueError) as error:
        problems.add(_FILE, 0, f"it is no forecast that can be read ({error} is missing or wrong).", _EXPORT)
        return []
    if unit != "celsius":
        problems.add(_FILE, _line(text, str(unit)), f'temperatures are in "{unit}".', "Give them in celsius.")
    return [
        {
            "id": "forecast",
            "updated": updated,
            "credit": rows.clean(str(told.get("attribution", "")))[:120],
            "hours": _hours(series, text, problems),
        }
    ]


def _hours(series: Any, text: str, problems: Problems) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in series if isinstance(series, list) else []:
        written = str(entry.get("time", "")) if isinstance(entry, dict) else ""
        try:
            hour = _hour(entry)
        except (KeyError, TypeError, ValueError) as error:
            what = f'the hour "{written}" can\'t be read: {error} is missing or wrong.'
            problems.add(_FILE, _line(text, written), what, "Correct it, or leave this hour out.")
            continue
        if hour and found and hour["at"] <= found[-1]["at"]:
            problems.add(_FILE, _line(text, written), f'the hour "{written}" is out of turn.', "Write hours in turn.")
        elif hour:
            found.append(hour)
    return found[:_MOST]


def _hour(entry: Any) -> dict[str, Any] | None:
    """Return one hour; None for one of which no sky is foretold, as the last ones are."""
    data = entry["data"]
    temperature = data["instant"]["details"]["air_temperature"]
    if isinstance(temperature, bool) or not _COLDEST <= float(temperature) <= _WARMEST:
        raise ValueError(f"air_temperature {temperature!r}")
    code = next((str(data[each]["summary"]["symbol_code"]) for each in _PERIODS if each in data), None)
    at = _moment(entry["time"])
    if code is None:
        return None
    said = _SYMBOL.fullmatch(code)
    if said is None:
        raise ValueError(f'symbol_code "{code}"')
    kind = "thunder" if said["thunder"] else said["falls"] or next(
        name for name in ("clear", "partly", "cloudy", "fog") if said[name]
    )  # fmt: skip
    return {"at": at, "temperature": round(float(temperature), 1), "sky": kind, "night": said["when"] == "night"}


def _moment(written: Any) -> str:
    moment = datetime.fromisoformat(str(written))
    if moment.tzinfo is None:
        raise ValueError(f'time "{written}" without its zone')
    return moment.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z")


def _line(text: str, written: str) -> int:
    """Return the line on which a value stands first; 0 where it can't be found."""
    place = text.find(f'"{written}"') if written else -1
    return text.count("\n", 0, place) + 1 if place >= 0 else 0
