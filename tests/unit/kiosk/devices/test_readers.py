# SPDX-License-Identifier: EUPL-1.2
"""Scanners as files: a pipe plays /dev/input/event*, written with the kernel's own structs and pulled half-way."""

import os
import runpy
from pathlib import Path

import pytest

from kiosk.devices.keypad import Press
from kiosk.devices.readers import Readers
from kiosk.devices.wedge import Garbage, Scan

TYPED = runpy.run_path(str(Path(__file__).with_name("test_wedge.py")))["typed"]


@pytest.fixture
def heard():
    return []


@pytest.fixture
def readers(heard):
    """Readers that can't grab, since a pipe is no input device."""
    made = Readers(lambda role, what: heard.append((role, what)), grab=False)
    yield made
    made.close()


@pytest.fixture
def scanner(tmp_path):
    """A FIFO and the end that a scanner writes into."""
    path = tmp_path / "event9"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)
    yield str(path), end
    os.close(end)


def turns(readers, heard, number):
    for _ in range(400):
        if len(heard) >= number:
            return
        readers.turn(0.05)


def test_a_scan_is_heard(readers, heard, scanner):
    """What a scanner types is told with its role."""
    path, end = scanner
    assert readers.add("scanner", path) == "ready"
    os.write(end, TYPED("PARVIS:1:abc"))
    turns(readers, heard, 1)
    assert heard == [("scanner", Scan("PARVIS:1:abc"))]


def test_what_a_foreign_keyboard_types_is_thrown_away(readers, heard, scanner):
    """It is held and read by nobody; the scanner beside it is heard."""
    path, end = scanner
    readers.add("keyboard", path)
    os.write(end, TYPED("rm -rf"))
    for _ in range(5):
        readers.turn(0.01)
    assert heard == []


def test_a_number_pad_says_six_things_and_types_nothing(readers, heard, scanner):
    """What plays a pad and types a command is heard only where it pressed one of the pad's keys."""
    path, end = scanner
    readers.add("keypad", path)
    os.write(end, TYPED("rm -rf"))
    turns(readers, heard, 1)
    assert heard == [("keypad", Press("choose"))]  # the Enter at its end


def test_pulled_half_way_a_scan_is_forgotten(readers, heard, scanner):
    """After it is plugged in again, the next scan is whole."""
    path, end = scanner
    readers.add("scanner", path)
    os.write(end, TYPED("half")[:200])
    readers.turn(0.05)
    readers.remove(path)
    assert readers.add("scanner", path) == "ready"
    os.write(end, TYPED("whole"))
    turns(readers, heard, 1)
    assert [what for _, what in heard if isinstance(what, Scan)] == [Scan("whole")]


def test_a_scan_without_an_end_is_told(readers, heard, scanner):
    """A scanner set to send no Enter is noticed: the person is asked to try again, the technician finds the reason."""
    path, end = scanner
    readers.add("scanner", path)
    os.write(end, TYPED("noend")[:-240])
    turns(readers, heard, 1)
    assert heard == [("scanner", Garbage("unfinished"))]


def test_a_device_that_is_gone_or_can_not_be_held_is_told(heard, scanner, tmp_path):
    """Its state says what happened."""
    readers = Readers(lambda *_: None)
    assert readers.add("scanner", str(tmp_path / "nothing")) == "absent"
    assert readers.add("scanner", scanner[0]) == "in_use"  # a pipe can't be grabbed
    readers.close()
