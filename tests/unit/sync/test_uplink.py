# SPDX-License-Identifier: EUPL-1.2
"""The window's promises, one by one; test_uplink_model.py tries them together."""

from sync.uplink import Limits, Verdict, Window

LIMITS = Limits(messages=4, patience=5.0, patience_cap=60.0, probe=1.0)


def window(**changes):
    made = Window("epoch-01", LIMITS, chance=lambda: 0.5)
    made.connect(0.0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def hear(w, seq, now, epoch="epoch-01"):
    verdict, upto = w.judge(epoch, seq, now)
    if verdict is Verdict.ADVANCED:
        w.advance(upto, now)
    return verdict


def test_acknowledgement_lets_rows_go_once():
    """A cumulative acknowledgement advances; the same one again changes nothing."""
    w = window()
    w.sent([100, 200], 200, 1.0)
    assert hear(w, 150, 1.1) is Verdict.ADVANCED
    assert (w.acked, w.in_flight) == (150, 1)
    assert hear(w, 150, 1.2) is Verdict.REPEATED
    assert hear(w, 90, 1.3) is Verdict.REPEATED
    assert w.acked == 150


def test_other_epoch_is_refused():
    """An acknowledgement for another life of the database deletes nothing."""
    w = window()
    w.sent([10], 10, 0.0)
    assert hear(w, 5, 0.1, "epoch-00") is Verdict.WRONG_EPOCH
    assert w.acked == 0


def test_beyond_what_was_sent_is_refused():
    """A hostile platform can't make us delete what it never got."""
    w = window()
    w.sent([10], 10, 0.0)
    assert hear(w, 11, 0.1) is Verdict.BEYOND
    assert w.acked == 0
    assert w.in_flight == 1


def test_nothing_is_sent_without_connection():
    """Slots exist only while connected, and never more than the window."""
    w = window()
    assert w.slots == 4
    w.sent([1, 2, 3], 3, 0.0)
    assert w.slots == 1
    w.disconnect()
    assert w.slots == 0


def test_reconnection_starts_again_at_the_lowest_unacknowledged():
    """What was under way on a lost connection is sent again, and a late acknowledgement for it still counts."""
    w = window()
    w.sent([10, 20], 20, 0.0)
    hear(w, 10, 0.5)
    w.disconnect()
    w.connect(2.0)
    assert (w.cursor, w.slots) == (10, 4)
    assert hear(w, 20, 2.1) is Verdict.ADVANCED
    assert w.cursor == 20


def test_silence_is_answered_by_one_message_and_longer_waits():
    """Without acknowledgement one message is tried after 5, 10, 20, 40, 60, 60 … seconds."""
    w = window()
    now = 0.0
    for patience in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
        w.sent([10], 10, now)
        assert not w.expire(now + patience - 0.1)
        assert w.expire(now + patience)
        assert (w.cursor, w.slots) == (0, 1)
        now += patience


def test_a_year_of_silence_overflows_nothing():
    """The number of tries is bounded."""
    w = window()
    now = 0.0
    for _ in range(5000):
        w.sent([10], 10, now)
        now += 100.0
        assert w.expire(now)


def test_room_doubles_with_each_acknowledgement():
    """After a silence the window opens step by step."""
    w = window()
    w.sent([10], 10, 0.0)
    assert w.expire(6.0)
    w.sent([10], 10, 6.0)
    hear(w, 10, 6.1)
    assert w.slots == 2


def test_sign_of_life_ends_a_long_wait():
    """A platform that comes back and repeats its last acknowledgement is sent to at once, at most once a second."""
    w = window()
    w.sent([10], 10, 0.0)
    hear(w, 10, 0.1)
    w.sent([20], 20, 0.2)
    assert w.expire(30.0)
    w.sent([20], 20, 30.0)
    hear(w, 10, 30.5)
    assert w.in_flight == 1, "half a second is no stall"
    hear(w, 10, 31.5)
    assert (w.in_flight, w.cursor) == (0, 10)


def test_idle_window_never_expires():
    """Nothing is sent again when nothing is on its way."""
    w = window()
    assert not w.expire(1e9)


def test_row_sent_before_its_turn_raises_no_ceiling():
    """An acknowledgement that names a gap sent ahead of its turn counts only up to what was really sent."""
    w = window()
    w.sent([10], 10, 0.0)
    w.sent_ahead(40)
    assert w.judge("epoch-01", 40, 0.1) == (Verdict.ADVANCED, 10)
    assert w.judge("epoch-01", 41, 0.1) == (Verdict.BEYOND, 0)


def test_nothing_moves_before_the_rows_are_deleted():
    """A judged acknowledgement that could not be written down opens no room."""
    w = window()
    w.sent([1, 2, 3, 4], 4, 0.0)
    assert w.judge("epoch-01", 3, 0.1) == (Verdict.ADVANCED, 3)
    assert (w.slots, w.acked) == (0, 0)
    w.advance(3, 0.2)
    assert (w.slots, w.acked) == (3, 3)
