# SPDX-License-Identifier: EUPL-1.2
"""Moves the demo's weather forecast to today: a forecast of another day is never shown. Pure."""

import json
from datetime import UTC, datetime, timedelta

FILE = "weather.json"


def of_today(text: str, now: float) -> str:
    """Return the forecast with its first hour at today's midnight (UTC) and made in the hour before `now`.

    What isn't a forecast is returned as it is: the publisher says what is wrong with it.
    """
    today = datetime.fromtimestamp(now, UTC)
    try:
        told = json.loads(text)
        series = told["properties"]["timeseries"]
        first = datetime.fromisoformat(series[0]["time"])
        by = today.replace(hour=0, minute=0, second=0, microsecond=0) - first
        for entry in series:
            entry["time"] = _written(datetime.fromisoformat(entry["time"]) + by)
        told["properties"]["meta"]["updated_at"] = _written(today - timedelta(minutes=40))
    except (ValueError, KeyError, TypeError, IndexError):
        return text
    return json.dumps(told, ensure_ascii=False, indent=1)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00Z")
