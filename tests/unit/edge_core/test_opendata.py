# SPDX-License-Identifier: EUPL-1.2
"""Series that anybody may have: complete, honest about what is missing, and right when the clocks change."""

import csv
import json
from contextlib import closing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from edge_core import opendata
from edge_core.cli.opendata import opendata as command
from edge_core.settings import load
from edge_core.store import database
from edge_core.store.series import Window

PARIS = ZoneInfo("Europe/Paris")
FUTURE = 1e11


def window(start, count=50, **other):
    values = {
        "zone": "main", "access_point": "", "start": int(start), "seconds": 300, "observed": 300, "doubt": None,
        "synchronised": True, "associated": count, "online": count, "arrivals": None, "departures": None,
    }  # fmt: skip
    return Window(**{**values, **other})


def at(text):
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(("day", "hours"), [("2030-03-31", 23), ("2030-10-27", 25), ("2030-06-01", 24)])
def test_a_day_has_as_many_hours_as_the_clocks_give_it(day, hours):
    """Every five minutes from midnight to midnight: one day, 23 to 25 hours, no hour merged with another."""
    start = datetime.fromisoformat(day).replace(tzinfo=PARIS)
    moments = [start.astimezone(UTC).timestamp() + 300 * n for n in range(hours * 12)]
    found = opendata.build([window(moment) for moment in moments], PARIS, FUTURE)
    assert [(row["start"][:10], row["hours"], row["windows"]) for row in found.rows["days"]] == [
        (day, hours, hours * 12)
    ]
    assert len(found.rows["hours"]) == hours
    assert {row["windows"] for row in found.rows["hours"]} == {12}
    assert len({row["start"] for row in found.rows["windows"]}) == hours * 12


def test_what_is_in_doubt_is_left_out_and_counted():
    """Half-watched windows, set clocks, floods, repeats, unknown clocks, and a future that has not been."""
    rows = [
        window(at("2030-06-01T12:00:00+02:00")),
        window(at("2030-06-01T12:05:00+02:00"), doubt="partial"),
        window(at("2030-06-01T12:10:00+02:00"), doubt="clock"),
        window(at("2030-06-01T12:15:00+02:00"), doubt="flood", associated=None),
        window(at("2030-06-01T12:20:00+02:00"), repeats=1),
        window(at("2030-06-01T12:25:00+02:00"), synchronised=False),
        window(at("2030-06-01T12:30:00+02:00")),
    ]
    found = opendata.build(rows, PARIS, at("2030-06-01T12:34:59+02:00"))
    assert len(found.rows["windows"]) == 1
    assert found.left_out == dict.fromkeys(("partial", "clock", "flood", "came twice", "clock unknown", "not over"), 1)


def test_sums_are_made_of_what_was_told_alone():
    """A hidden window is no zero: it is counted as hidden, and means are of the others."""
    start = at("2030-06-01T12:00:00+02:00")
    rows = [window(start, 20), window(start + 300, None), window(start + 600, 40)]
    rows.append(window(start, 30, access_point="hall"))
    (hour,) = opendata.build(rows, PARIS, FUTURE).rows["hours"]
    assert (hour["windows"], hour["hidden"], hour["mean"], hour["most"]) == (3, 1, 30, 40)
    (quiet,) = opendata.build([window(start, None)], PARIS, FUTURE).rows["days"]
    assert (quiet["mean"], quiet["most"]) == (None, None)


def test_the_command_writes_a_folder_that_can_be_published(tmp_path):
    """CSV, JSON and a description that names each of them with its size; a zone's name is no formula."""
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
    settings = load(path, {})
    database.migrate(settings)
    row = window(at("2024-06-01T12:00:00+02:00"), 50, zone="=1+1")[:-1]
    with closing(database.open_edge(settings.edge_db)) as store:
        marks = ", ".join("?" * len(row))
        columns = ", ".join(Window._fields[:-1])
        store.execute(f"INSERT INTO series ({columns}) VALUES ({marks})", row)
    words = ["--config", str(path), "--output", str(tmp_path / "out"), "--from", "2024-06-01", "--to", "2024-06-01"]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    (line,) = csv.DictReader((tmp_path / "out" / "windows.csv").read_text().splitlines())
    assert (line["zone"], line["start"], line["associated"]) == ("'=1+1", "2024-06-01T12:00:00+02:00", "50")
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    columns = {name for names in opendata.COLUMNS.values() for name in names}
    assert {name for name in columns if readme.count(f"`{name}`") < 2} == set(), "explained in both languages"
    told = json.loads((tmp_path / "out" / "dataset.jsonld").read_text())
    sizes = {part["dct:title"]: part["dcat:byteSize"] for part in told["dcat:distribution"]}
    assert sizes == {
        file.name: file.stat().st_size for file in (tmp_path / "out").iterdir() if file.suffix in {".csv", ".json"}
    }
    assert told["dct:temporal"]["dcat:endDate"]["@value"] == "2024-06-01"
    assert json.loads((tmp_path / "out" / "hours.json").read_text())[0]["most"] == 50
    wrong = CliRunner().invoke(command, [*words[:4], "--from", "2024-06-02", "--to", "2024-06-01"])
    assert wrong.exit_code == 1
