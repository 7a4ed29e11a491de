# SPDX-License-Identifier: EUPL-1.2
"""Few requests are worked on at once, and whoever waits for somebody else keeps nobody from working."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from captive_portal import turns

WAIT = 60
MANY = 12


def test_no_more_work_at_once_than_there_are_places():
    """Twelve ask; those that find no place wait for one, and all are answered."""
    working, most, lock = set(), [0], threading.Lock()
    full = threading.Event()

    def work(environ, _start):
        with lock:
            working.add(environ["n"])
            most[0] = max(most[0], len(working))
            if len(working) == turns._AT_ONCE:
                full.set()
        assert full.wait(WAIT)
        with lock:
            working.discard(environ["n"])
        return [b"done"]

    application = turns.taking(work)
    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(lambda n: application({"n": n}, None), range(MANY)))
    assert answers == [[b"done"]] * MANY
    assert most[0] == turns._AT_ONCE


def test_who_waits_for_somebody_else_stands_aside():
    """Twelve wait for the agent at the same time: a reader's page is made all the same, then theirs."""
    waiting, answered = threading.Barrier(MANY + 1), threading.Event()

    def slow(_environ, _start):
        with turns.aside():
            waiting.wait(WAIT)
            assert answered.wait(WAIT)
        return [b"slow"]

    application, reader = turns.taking(slow), turns.taking(lambda *_: [b"read"])
    with ThreadPoolExecutor(MANY) as pool:
        told = [pool.submit(application, {}, None) for _ in range(MANY)]
        waiting.wait(WAIT)
        assert reader({}, None) == [b"read"]
        answered.set()
        assert [each.result(WAIT) for each in told] == [[b"slow"]] * MANY


def test_a_request_that_fails_leaves_its_place():
    """As often as there are places and once more, by a thread that stood aside or not."""

    def fail(environ, _start):
        with turns.aside() if environ["aside"] else nullcontext():
            raise ValueError("wrong")

    application = turns.taking(fail)
    for number in range(2 * turns._AT_ONCE + 2):
        with pytest.raises(ValueError, match="wrong"):
            application({"aside": number % 2}, None)
    assert turns.taking(lambda *_: [b"read"])({}, None) == [b"read"]


def test_outside_of_a_request_nothing_is_left():
    """A command of the technician's shares the code, and has no place."""
    for _ in range(turns._AT_ONCE + 1):
        with turns.aside():
            pass
    assert turns.taking(lambda *_: [b"read"])({}, None) == [b"read"]
