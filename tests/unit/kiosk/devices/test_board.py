# SPDX-License-Identifier: EUPL-1.2
"""The board that pages read: scans act once and grow old, states are told when they change, left pages hold nobody."""

import threading

from kiosk.devices.board import FRESH, Board
from kiosk.devices.door import answer_to

SOON = 20.0


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_scan_is_taken_once():
    """Whoever takes it first has it; nobody has it again."""
    board = Board()
    board.scanned("scanner", "K7PM")
    number = board.watch(board.life, 0, 0)["scan"]
    assert answer_to(board, {"op": "take", "n": number}) == {"ok": True, "role": "scanner", "text": "K7PM"}
    assert answer_to(board, {"op": "take", "n": number}) == {"ok": False}


def test_an_old_scan_is_not_given_to_the_next_visitor():
    """After FRESH seconds a scan is neither told nor given."""
    clock = Clock()
    board = Board(clock)
    board.scanned("scanner", "K7PM")
    number = board.watch(board.life, 0, 0)["scan"]
    clock.now += FRESH + 1
    assert board.watch(board.life, 0, 0)["scan"] is None
    assert board.take(number) is None


def test_a_change_wakes_who_waits():
    """A page that waits hears of a printer without paper at once."""
    board = Board()
    heard = []
    waiting = threading.Thread(target=lambda: heard.append(board.watch(board.life, 0, SOON)))
    waiting.start()
    board.tell("printer", state="paper")
    waiting.join(SOON)
    assert heard[0]["devices"] == {"printer": {"state": "paper"}}


def test_the_same_state_again_is_no_news():
    """What doesn't change has no new number."""
    board = Board()
    board.tell("printer", state="ready")
    before = board.watch(board.life, 0, 0)["n"]
    board.tell("printer", state="ready")
    assert board.watch(board.life, before, 0)["n"] == before


def test_after_a_restart_everything_is_told_anew():
    """A page that knows the numbers of an earlier life gets the present states at once."""
    board = Board()
    board.tell("printer", state="ready")
    assert board.watch("earlier", 10_000, SOON)["devices"] == {"printer": {"state": "ready"}}


def test_pages_that_were_left_hold_no_place():
    """With a fifth page waiting, the first is let go: a browser that moved on takes no thread from the pages."""
    board = Board()
    pages = [threading.Thread(target=board.watch, args=[board.life, 0, 60.0], daemon=True) for _ in range(5)]
    for page in pages:
        page.start()
    for _ in range(int(SOON / 0.05)):
        if sum(page.is_alive() for page in pages) == 4:
            break
        pages[0].join(0.05)
    assert sum(page.is_alive() for page in pages) == 4
    board.tell("printer", state="ready")
    for page in pages:
        page.join(SOON)


def test_a_request_that_is_none_changes_nothing():
    """Whatever is asked, the answer says no."""
    board = Board()
    board.scanned("scanner", "K7PM")
    for asked in (None, [], {}, {"op": "take"}, {"op": "take", "n": "1"}, {"op": "shutdown"}, {"op": ["take"]}):
        assert answer_to(board, asked) == {"ok": False}
    assert answer_to(board, {"op": "take", "n": 1})["ok"]


def test_a_key_reaches_the_page_that_is_shown_and_no_later_one():
    """Told once to whoever follows; a page that begins to watch, and one that comes late, get none."""
    clock = Clock()
    board = Board(clock)
    board.pressed("down")
    assert board.watch("", -1, 0)["keys"] == []
    told = board.watch(board.life, 0, 0)
    assert told["keys"] == ["down"]
    assert board.watch(board.life, told["n"], 0)["keys"] == []
    clock.now += 3
    assert board.watch(board.life, 0, 0)["keys"] == []
