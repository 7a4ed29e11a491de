# SPDX-License-Identifier: EUPL-1.2
"""Keeping the legal recorder running: how long it waits after a death."""

from types import SimpleNamespace

import pytest

from gateway_agent import recording
from gateway_agent.recording import Recording


@pytest.fixture
def started(monkeypatch):
    """The processes that were started; each is told to be dead by its `code`."""
    made = []

    def start(_words):
        made.append(SimpleNamespace(code=None, returncode=1))
        made[-1].poll = lambda one=made[-1]: one.code
        return made[-1]

    monkeypatch.setattr(recording.subprocess, "Popen", start)
    return made


def starts_after(keeper, started, died):
    """Return the seconds that pass before the next one is started."""
    started[-1].code, number = 1, len(started)
    for tenth in range(400):
        keeper.tend(died + tenth / 10)
        if len(started) > number:
            return tenth / 10
    raise AssertionError("never started again")


def test_a_recorder_that_dies_again_and_again_is_waited_for_longer_and_one_that_ran_for_long_is_not(started):
    """The pause doubles up to half a minute; after five sound minutes it begins anew."""
    keeper = Recording(SimpleNamespace(legal=SimpleNamespace(record="on"), source="parvis.toml"))
    keeper.tend(0.0)
    moment, pauses = 0.0, []
    for _ in range(8):
        moment += 1
        pauses.append(starts_after(keeper, started, moment))
        moment += pauses[-1]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert starts_after(keeper, started, moment + 300) == 0.5
    assert keeper.deaths == 9


def test_without_a_record_nothing_is_started(started):
    """Off unless it is turned on."""
    Recording(SimpleNamespace(legal=SimpleNamespace(record="off"), source="parvis.toml")).tend(0.0)
    assert started == []
