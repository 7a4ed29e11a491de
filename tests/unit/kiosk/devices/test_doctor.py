# SPDX-License-Identifier: EUPL-1.2
"""`parvis doctor kiosk` names each role, its device, its state, and what mends it."""

import dataclasses
import os
import time

import pytest
from click.testing import CliRunner

from edge_core.doctor import kiosk as doctor
from edge_core.doctor.command import doctor as command
from kiosk.devices.board import Board
from kiosk.devices.door import Door


@pytest.fixture
def board(settings):
    board = Board()
    door = Door(settings.devices_socket, board)
    door.start()
    yield board
    door.shutdown()
    door.server_close()


def expecting(settings, *roles, **more):
    return dataclasses.replace(settings, kiosk=dataclasses.replace(settings.kiosk, devices=roles, **more))


def told(settings, *roles, **more):
    return {one.check: one for one in doctor.checks(expecting(settings, *roles, **more))}


def test_each_role_with_its_device_and_state(settings, board):
    """What works says so with its device; what doesn't, says what a person does about it."""
    board.tell("scanner", state="ready", label="Fictive Scanner", node="/dev/input/event9")
    board.tell("printer", state="paper")
    board.tell("keyboard", state="refused", label="Fictive Keyboard", node="/dev/input/event3")
    found = told(settings, "scanner", "printer", "badge")
    assert (found["scanner"].state, found["scanner"].seen) == ("ok", "ready (Fictive Scanner /dev/input/event9)")
    assert found["printer"].state == "failed"
    assert "roll" in found["printer"].remedy
    assert (found["badge"].state, found["badge"].seen) == ("failed", "is not plugged in")
    assert found["keyboard"].state == "warning"
    assert "Unplug" in found["keyboard"].remedy


@pytest.mark.parametrize("state", ["absent", "paper", "cover", "busy", "fault", "denied", "in_use", "on fire"])
def test_whatever_the_state_there_is_a_remedy(settings, board, state):
    """No state of an expected device leaves the technician without a word."""
    board.tell("printer", state=state)
    found = told(settings, "printer")["printer"]
    assert found.state == "failed"
    assert found.remedy


def test_what_nobody_expects_may_be_away(settings, board):
    """A stick that was pulled out is no failure."""
    board.tell("stick", state="absent")
    assert told(settings)["stick"].state == "ok"


def test_what_never_was_there_was_not_unplugged(settings, board):
    """A kiosk without a printer has none; one whose printer went is told which it was."""
    board.tell("printer", state="absent")
    assert told(settings)["printer"].seen.startswith("is not plugged in;")
    board.tell("printer", state="absent", label="Fictive Printer", node="/dev/usb/lp9")
    assert told(settings)["printer"].seen.startswith("was unplugged (Fictive Printer /dev/usb/lp9);")


def test_the_service_is_away(settings):
    """Nobody answers: said once, with what to start."""
    found = told(settings, "scanner")
    assert found["devices"].state == "failed"
    assert "parvis run kiosk" in found["devices"].remedy


def test_the_screen_by_its_heartbeat(settings, board):
    """Alive lately is well; never, or long ago, is not; how often it was helped is told."""
    beat = settings.run_dir / "kiosk.heartbeat"
    assert told(settings)["screen"].state == "ok"  # a device without a screen
    assert "no page was alive" in told(settings, screen=True)["screen"].seen
    beat.touch()
    (settings.device.state_dir / "screen.json").write_text('{"browser": 2, "in_a_row": 0}')
    assert told(settings, screen=True)["screen"].seen.endswith("helped so far: browser 2")
    os.utime(beat, (time.time() - 600, time.time() - 600))
    assert told(settings, screen=True)["screen"].state == "failed"


def test_the_command_shows_it(settings, board):
    """As a technician sees it: a line for the printer, and the exit status of a failure."""
    board.tell("printer", state="cover")
    shown = CliRunner().invoke(
        command, ["kiosk", "--config", str(settings.source), "--json"], env={"PARVIS_KIOSK_DEVICES": "printer"}
    )
    assert '"printer"' in shown.output
    assert "Close it until it clicks." in shown.output
    assert shown.exit_code == 1
