# SPDX-License-Identifier: EUPL-1.2
"""The story's player."""

from pathlib import Path

from lab.demo.story import Outcome, Step, StepError, check, failed, play


class _Silent:
    def begins(self, outcome: Outcome) -> None: ...

    def ends(self, outcome: Outcome) -> None: ...


def _fails() -> str:
    check(None, "a lease", "nothing", [Path("gateway.log")])
    return ""


def test_a_step_that_fails_names_what_was_expected_seen_and_the_log():
    """Whoever reads the verdict knows where to look, without playing it again."""
    (outcome,) = play([Step("phone gets a lease", _fails)], _Silent())
    assert outcome.state == "failed"
    assert "expected a lease; seen: nothing" in outcome.detail
    assert outcome.logs == (Path("gateway.log"),)


def test_after_an_essential_failure_the_rest_is_skipped_and_still_counts_as_not_true():
    """A story cut short is never reported as true."""
    outcomes = play([Step("gateway", _fails, essential=True), Step("phone", lambda: "")], _Silent())
    assert [one.state for one in outcomes] == ["failed", "skipped"]
    assert len(failed(outcomes)) == 2


def test_a_step_that_can_not_be_played_here_is_skipped_with_its_reason_and_breaks_nothing():
    """Without enforcement the story is shorter, not false."""
    outcomes = play([Step("lease", _fails, skip="no radio"), Step("page", lambda: "read")], _Silent())
    assert [one.state for one in outcomes] == ["skipped", "true"]
    assert outcomes[0].detail == "no radio"
    assert failed(outcomes) == []


def test_a_step_that_is_not_essential_lets_the_rest_be_played():
    """One fault doesn't hide the next."""
    outcomes = play([Step("content", _fails), Step("phone", lambda: "")], _Silent())
    assert [one.state for one in outcomes] == ["failed", "true"]


def test_an_error_of_the_system_fails_its_step_alone():
    """An exception of the network or of a child process is a failed step and no crash of the demo."""

    def breaks() -> str:
        raise OSError("no route")

    (outcome,) = play([Step("x", breaks)], _Silent())
    assert outcome.state == "failed"
    assert "no route" in outcome.detail
    assert str(StepError("a", "b")) == "expected a; seen: b"
