# SPDX-License-Identifier: EUPL-1.2
"""The receipt of a stick: read as it was written, or not at all."""

import pytest

from edge_core import stick_receipt
from edge_core.stick_receipt import Receipt


def test_a_receipt_is_read_as_it_was_left(tmp_path):
    """The last one counts."""
    stick_receipt.write(tmp_path, Receipt("/dev/sda1", "reading", "", 5.0, 40))
    last = Receipt("/dev/sdb1", "rejected", "no signature", 7.5)
    stick_receipt.write(tmp_path, last)
    assert stick_receipt.read(tmp_path) == last


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xff\xfe", b"[]", b"null", b"{", b'{"node": "/dev/sda1"}',
        b'{"node": "/dev/sda1", "state": "taken", "reason": "", "at": 1}',
        b'{"node": 1, "state": "taken", "reason": "", "at": 1, "percent": 1}',
        b'{"node": "/dev/sda1", "state": "lit", "reason": "", "at": 1, "percent": 1}',
        b'{"node": "/dev/sda1", "state": "taken", "reason": "", "at": "now", "percent": 1}',
        b'{"node": "/dev/sda1", "state": "reading", "reason": "", "at": 1, "percent": 101}',
        b'{"node": "/dev/sda1", "state": "reading", "reason": "", "at": 1, "percent": "1"}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_receipt_says_nothing(tmp_path, raw):
    """A half-written, foreign or hostile file is as none."""
    (tmp_path / stick_receipt.NAME).write_bytes(raw)
    assert stick_receipt.read(tmp_path) is None
    assert stick_receipt.read(tmp_path / "absent") is None


def test_words_from_a_stick_are_one_short_line():
    """Control characters and length do nothing on the technician's page or in a terminal."""
    assert stick_receipt.plain("a\x1b[2J\nb\u202e c") == "a [2J b c"
    assert len(stick_receipt.plain("é" * 10_000)) == 300
