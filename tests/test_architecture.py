# SPDX-License-Identifier: EUPL-1.2
"""The rules of docs/ARCHITECTURE.md that can be tests."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("captive_portal", "kiosk", "gateway_agent", "sync", "management")
PRODUCT = (*SERVICES, "edge_core")
# One owner for each dangerous library: nobody else imports it.
OWNERS = {
    "paho": ("sync/mqtt.py", "contracts/conformance/link.py", "lab/"),
    "pyudev": ("edge_core/hotplug",),
    "tuf": ("sync/", "tests/"),
    "amqtt": ("edge_core/broker", "sync/"),
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}


def sources(*folders: str) -> list[Path]:
    """Return the Python files of the folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


class Facts(NamedTuple):
    """What the rules ask of a file, read once: full names imported (lazily too), its sentence, functions' lengths."""

    imports: frozenset[str]
    sentence: str
    lengths: dict[str, int]


@functools.cache
def facts(path: Path) -> Facts:
    """Return the facts of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    lengths: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lengths[f"{node.name}:{node.lineno}"] = node.end_lineno - node.lineno + 1
    return Facts(frozenset(found), ast.get_docstring(tree) or "", lengths)


def tops(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    return {name.split(".")[0] for name in facts(path).imports}


@pytest.mark.parametrize("service", SERVICES)
def test_services_know_edge_core_and_themselves_only(service):
    """A service never imports another: they meet in the store and in messages."""
    others = (set(SERVICES) - {service}) | {"lab", "tests"}
    wrong = {str(path.relative_to(ROOT)): tops(path) & others for path in sources(service) if tops(path) & others}
    assert not wrong


def test_edge_core_knows_no_service():
    """The shared core stands below the services."""
    above = {*SERVICES, "lab", "tests"}
    wrong = {str(path.relative_to(ROOT)): tops(path) & above for path in sources("edge_core") if tops(path) & above}
    assert not wrong


def test_the_reference_platform_knows_no_product():
    """It is written from contracts/ alone, or tests would prove only that the code agrees with itself."""
    wrong = {path.name: tops(path) & set(PRODUCT) for path in sources("lab/platform") if tops(path) & set(PRODUCT)}
    assert sources("lab/platform")
    assert not wrong


@pytest.mark.parametrize("library", OWNERS)
def test_dangerous_libraries_have_one_owner(library):
    """A library that can harm is imported in one place, where its dangers are known."""
    wrong = [
        name
        for path in sources(*PRODUCT, "contracts", "lab")
        if library in tops(path) and not (name := str(path.relative_to(ROOT))).startswith(OWNERS[library])
    ]
    assert not wrong


def test_only_the_agent_speaks_to_nftables():
    """The packet filter has one author."""
    starts_nft = re.compile(r"""["']nft["']""")
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCT)
        if starts_nft.search(path.read_text(encoding="utf-8"))
        and not str(path.relative_to(ROOT)).startswith(("gateway_agent/", "edge_core/doctor/", "edge_core/supervise"))
    ]
    assert not wrong


def test_no_import_cycles():
    """Imports point one way: no module of the product reaches itself again."""
    modules = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in sources(*PRODUCT)
    }
    edges = {name: {i for i in facts(path).imports if i in modules and i != name} for name, path in modules.items()}
    reached: dict[str, set[str]] = {}
    for start in modules:
        seen: set[str] = set()
        todo = list(edges[start])
        while todo:
            if (name := todo.pop()) not in seen:
                seen.add(name)
                todo += edges[name]
        reached[start] = seen
    assert [name for name in modules if name in reached[name]] == []


def test_files_stay_small_and_well_named():
    """A file has at most about 300 lines and says in its name what it is."""
    files = sources(*PRODUCT, "contracts", "lab")
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text(encoding="utf-8").splitlines())) > 320}
    badly_named = [
        str(p.relative_to(ROOT)) for p in files if BANNED_NAMES & set(p.relative_to(ROOT).with_suffix("").parts)
    ]
    assert not long
    assert not badly_named


def test_every_source_names_its_licence():
    """Each source file carries its SPDX identifier; each Python file opens with a sentence that says what it is."""
    wrong = [
        f"{path.relative_to(ROOT)}: no sentence"
        for path in sources(*PRODUCT, "lab", "tests")
        if not facts(path).sentence
    ]
    for folder in (*PRODUCT, "lab", "tests", "ansible", "systemd", "tools"):
        for path in (ROOT / folder).rglob("*"):
            known = path.suffix in {".py", ".html", ".css", ".js", ".sh", ".j2", ".yml", ".service", ".socket"}
            if known and "SPDX-License-Identifier: EUPL-1.2" not in path.read_text(encoding="utf-8")[:200]:
                wrong.append(f"{path.relative_to(ROOT)}: no licence")
    assert not wrong


def test_functions_stay_short():
    """No function of the product is longer than 60 lines."""
    long = [
        f"{path.relative_to(ROOT)}:{name} ({lines})"
        for path in sources(*PRODUCT)
        for name, lines in facts(path).lengths.items()
        if lines > 60
    ]
    assert not long


def test_the_repository_speaks_of_itself_alone():
    """No path of a developer's machine, and no registry's address, is in a committed file."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: the list of committed files is unknown")
    forbidden = re.compile("|".join([r"/wo" + r"rk/", r"/ro" + r"ot/\.", r"/op" + r"t/(pypi|wheels)"]))
    wrong = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".png", ".ico", ".xlsx"} or not path.is_file():
            continue
        if forbidden.search(path.read_text(encoding="utf-8", errors="replace")):
            wrong.append(name)
    assert not wrong
