# SPDX-License-Identifier: EUPL-1.2
"""When a dead process is started again."""

from __future__ import annotations

from edge_core.supervise import delay_after


def test_the_first_death_is_answered_at_once_and_the_rest_ever_later():
    """One crash costs nobody a second; a process that can't start doesn't eat the processor."""
    assert [delay_after(n) for n in range(9)] == [0.0, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert delay_after(1000) == 10.0
