# SPDX-License-Identifier: EUPL-1.2
"""Shows findings: a table for people, JSON for programs. Pure but for the printing."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from contracts.conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from contracts.conformance.verdict import Finding

_STYLES = {
    Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.NOT_APPLICABLE: "dim", Verdict.SKIPPED: "yellow",
}  # fmt: skip


def summary(findings: Sequence[Finding]) -> str:
    """Return one line that counts each verdict and says whether the contract is kept."""
    counts = Counter(finding.verdict for finding in findings)
    words = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    broken = [finding.requirement.id for finding in findings if finding.breaks]
    if broken:
        return f"{words}. The contract is broken: {', '.join(broken)}."
    if not counts[Verdict.PASS]:
        return f"{words}. Nothing was seen."
    return f"{words}. Nothing that was seen breaks a MUST."


def show(title: str, findings: Sequence[Finding], console: Console) -> None:
    """Print id, level, rule, verdict and what was seen; long texts fold."""
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("id", no_wrap=True)
    table.add_column("rule", ratio=5, overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("seen", ratio=4, overflow="fold")
    for one in findings:
        rule = Text.assemble((one.requirement.level + " ", "bold"), one.requirement.text)
        verdict = Text(one.verdict.value, style=_STYLES[one.verdict])
        table.add_row(one.requirement.id, rule, verdict, Text(one.seen))
    console.print(table)
    console.print(summary(findings), highlight=False, markup=False)


def as_json(title: str, findings: Sequence[Finding]) -> str:
    """Return all of it as JSON: {subject, kept, findings: [{id, who, level, text, verdict, seen, seconds}]}."""
    rows = [
        {
            "id": one.requirement.id, "who": one.requirement.who, "level": one.requirement.level,
            "text": one.requirement.text, "verdict": one.verdict.value, "seen": one.seen,
            "seconds": round(one.seconds, 3),
        }
        for one in findings
    ]  # fmt: skip
    return json.dumps({"subject": title, "kept": kept(findings), "findings": rows}, indent=1, ensure_ascii=False)


def kept(findings: Sequence[Finding]) -> bool:
    """Tell whether something passed and no MUST failed."""
    return any(f.verdict is Verdict.PASS for f in findings) and not any(finding.breaks for finding in findings)
