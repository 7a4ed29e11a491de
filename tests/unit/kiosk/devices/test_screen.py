# SPDX-License-Identifier: EUPL-1.2
"""The screen is watched by its page's heartbeat; orders are left as a file, counted and told to the platform."""

import dataclasses
import json
import os
from contextlib import closing
from datetime import datetime

import pytest

from edge_core.store import database
from edge_core.web.dates import ZONE
from kiosk import corner_wish
from kiosk.devices import screen as screen_module
from kiosk.devices.board import Board
from kiosk.devices.reports import EVERY, Reports
from kiosk.devices.screen import Screen

NOON = datetime(2026, 3, 4, 12, tzinfo=ZONE).timestamp()


@pytest.fixture
def orders(tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    return folder


@pytest.fixture
def make(settings, orders, monkeypatch):
    """Make a watched screen whose pages are served."""
    monkeypatch.setattr(screen_module, "answers", lambda *_: True)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    helped = []

    def made(**changes):
        chosen = dataclasses.replace(settings, kiosk=dataclasses.replace(settings.kiosk, **changes))
        board = Board()
        return Screen(chosen, board, orders, lambda *what: helped.append(what), 0.0), board, helped

    return made


def word(orders):
    return (orders / "order").read_text().split()


def test_a_dead_page_is_helped_and_counted(make, orders, settings):
    """Each rung leaves its order, is counted, and the count is there after a restart of the service."""
    screen, board, helped = make()
    first = board.devices().get("screen")
    for second in range(400):
        screen.turn(float(second), NOON)
    assert [rung for rung, _ in helped] == ["reload", "browser", "compositor", "reboot", "help"]
    assert word(orders) == ["help", "1"]
    assert (orders / "order").stat().st_mode & 0o777 == 0o644  # the screen's unit and root's have no other right
    assert board.devices()["screen"]["reload"] == "1"
    assert first is None
    again, _, helped = make()
    for second in range(100):
        again.turn(float(second), NOON)
    assert ("browser", 2) in helped
    assert json.loads((settings.device.state_dir / "screen.json").read_text())["in_a_row"] == 1


def test_a_picture_is_asked_for_once_a_minute_and_never_of_a_visit(make, orders, settings):
    """Only while the page that is alive says that it is the first; the other orders stay as they were."""
    screen, _, _ = make()
    beat, asked = settings.run_dir / "kiosk.heartbeat", []
    for second in range(300):
        beat.write_text("visit" if 100 <= second < 200 else "first")
        os.utime(beat, (second, second))
        screen.turn(float(second), NOON)
        asked.append((orders / "picture").read_text() if (orders / "picture").exists() else "")
    assert asked[0] == "1\n"
    assert asked[99] == asked[199] == "2\n"
    assert asked[200] == "3\n"
    assert asked[299] == "4\n"
    assert (orders / "picture").stat().st_mode & 0o777 == 0o644
    assert word(orders)[0] == "start"


def test_a_heartbeat_is_a_sign_of_life(make, settings):
    """The file that the page's heartbeat touches keeps the browser from being blamed."""
    screen, _, helped = make()
    beat = settings.run_dir / "kiosk.heartbeat"
    for second in range(300):
        if second % 5 == 0:
            beat.touch()
            os.utime(beat, ns=(second * 10**9, second * 10**9))
        screen.turn(float(second), NOON)
    assert helped == []


def test_a_damaged_record_is_begun_anew(make, settings):
    """A card that lost the file's bytes keeps nothing from starting."""
    (settings.device.state_dir / "screen.json").write_bytes(b"\x00\xff[")
    screen, _, _ = make()
    screen.turn(0.0, NOON)


def test_the_screen_is_dark_outside_its_hours_and_loads_again_once_a_night(make):
    """07:00-20:00: dark at four, when the page is loaded again, once; light at seven."""
    screen, board, _ = make(screen_hours=(420, 1200))
    seen = []
    for hour in range(48):
        for minute in (0, 30):
            moment = datetime(2026, 3, 4 + hour // 24, hour % 24, minute, tzinfo=ZONE).timestamp()
            screen.turn(0.0, moment)
            seen.append((hour, board.devices()["screen"]["state"], board.devices()["screen"]["reload"]))
    assert {state for hour, state, _ in seen if not 7 <= hour % 24 < 20} == {"dark"}
    assert {state for hour, state, _ in seen if 7 <= hour % 24 < 20} == {"lit"}
    assert seen[-1][2] == "2"
    assert next(hour for hour, _, number in seen if number == "1") == 4


def test_states_are_told_without_filling_the_outbox(settings):
    """A loose cable is one event a minute, and the last state is always told."""
    database.migrate(settings)
    reports = Reports(settings.edge_db)
    for second in range(101):
        reports.note("printer", "absent" if second % 2 else "ready")
        reports.turn(float(second))
    reports.note("printer", "printing")
    reports.helped("browser", 3)
    reports.turn(100 + EVERY)
    with closing(database.open_edge(settings.edge_db)) as connection:
        rows = connection.execute("SELECT type, json_extract(body, '$.data') FROM outbox ORDER BY seq").fetchall()
    told = [(row[0].split(".")[3], json.loads(row[1])) for row in rows]
    assert [data["state"] for kind, data in told if kind == "device"] == ["ready", "absent", "ready"]
    assert told[-1] == ("screen", {"rung": "browser", "count": 3})


def test_the_corner_is_ordered_once_and_left_alone(make, orders, settings):
    """A visitor's choice becomes one order; as long as the corner is open the kiosk's page isn't missed."""
    corner_wish.leave(settings.run_dir, corner_wish.Wish("mairie", "fr", NOON))
    screen, _, helped = make(public_corner=True)
    screen.turn(0.0, NOON)
    assert word(orders) == ["corner", "1"]
    (orders / "order").write_text("seen")
    screen.turn(1.0, NOON + 1)
    assert word(orders) == ["seen"]
    rules = orders.with_name("parvis-corner-rules")
    rules.mkdir()
    for second in range(2, 1900):
        screen.turn(float(second), NOON + second)
    assert helped == []
    rules.rmdir()
    for second in range(1900, 1958):
        screen.turn(float(second), NOON + second)
    assert helped == []  # as long as a browser takes to start
    screen.turn(1962.0, NOON + 1962)
    assert [rung for rung, _ in helped] == ["reload"]


def test_without_the_setting_a_wish_opens_nothing(make, orders, settings):
    """Who can write a file here can't open what the technician left shut."""
    corner_wish.leave(settings.run_dir, corner_wish.Wish("mairie", "fr", NOON))
    screen, _, _ = make()
    screen.turn(0.0, NOON)
    assert word(orders) == ["start", "0"]
