# SPDX-License-Identifier: EUPL-1.2
"""Reads where people can walk: plan/nodes.csv (corners and doors) and plan/edges.csv (what joins them to places)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_core.store import ways
from sync.publish import tables

if TYPE_CHECKING:
    from pathlib import Path

    from sync.publish.problems import Problems
    from sync.publish.rows import Row

_FAR = 100_000  # units of a drawing


def add(folder: Path, plans: list[dict[str, Any]], problems: Problems) -> None:
    """Give each plan of `plans` its `ways`: the nodes on it, and the edges that begin on it."""
    nodes = tables.read(folder, "plan/nodes", ["plan", "id", "x", "y"], problems)
    edges = tables.read(folder, "plan/edges", ["from", "to"], problems, optional=["kind"])
    floor_of = {place["id"]: plan["id"] for plan in plans for place in plan["places"]}
    known = {plan["id"]: plan for plan in plans}
    for row in nodes:
        node = _node(row)
        plan = known.get(row.text("plan"))
        if plan is None:
            row.wrong(f'the plan "{row.text("plan")}" is not in plans.csv.', f"Plans are: {', '.join(known)}.")
        elif node["id"] in floor_of:
            row.wrong(f'the id "{node["id"]}" is that of another node or place.', "Give it another id.")
        else:
            floor_of[node["id"]] = plan["id"]
            _ways(plan)["nodes"].append(node)
    for row in edges:
        edge = _edge(row, floor_of)
        if edge is not None:
            _ways(known[floor_of[edge["from"]]])["edges"].append(edge)
    _note_islands(plans, problems)


def _ways(plan: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = plan.setdefault("ways", {"nodes": [], "edges": []})
    return found


def _node(row: Row) -> dict[str, Any]:
    return {"id": row.slug("id"), "x": row.number("x", -_FAR, _FAR), "y": row.number("y", -_FAR, _FAR)}


def _edge(row: Row, floor_of: dict[str, str]) -> dict[str, Any] | None:
    ends = {"from": row.slug("from"), "to": row.slug("to")}
    kind = row.choice("kind", ways.CHANGES, required=False)
    for column, end in ends.items():
        if end not in floor_of:
            row.wrong(f'column "{column}" holds "{end}", which is no node or place.', "Add it to plan/nodes.csv.")
            return None
    if (floor_of[ends["from"]] != floor_of[ends["to"]]) != bool(kind):
        row.wrong("an edge to another floor is by stairs or by lift, one on the same floor is neither.", "Correct it.")
        return None
    return {**ends, **({"kind": kind} if kind else {})}


def _note_islands(plans: list[dict[str, Any]], problems: Problems) -> None:
    """Say to which places no way leads from the entrance."""
    start = ways.entrance(plans)
    for place in (place["id"] for plan in plans for place in plan["places"]):
        if start and place != start and not ways.find(plans, start, place):
            problems.notice(f'plan/edges.csv: no way leads from "{start}" to "{place}".')
