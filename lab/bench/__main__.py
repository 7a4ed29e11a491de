# SPDX-License-Identifier: EUPL-1.2
"""`python -m lab.bench NAME`: measures, prints a table, writes build/bench/NAME.json. It reports and doesn't judge."""

import importlib
import importlib.util
import sys
from pathlib import Path

from rich.console import Console

from lab.bench import figures

_HERE = Path(__file__).parent
_LOG_WIDTH = 150  # of a log that is no terminal
_OUT = _HERE.parents[1] / "build" / "bench"


def names() -> list[str]:
    """Return the measures that there are: modules here with a `figures()`."""
    found = sorted(path.stem for path in _HERE.glob("*.py") if not path.stem.startswith("_"))
    return [name for name in found if "\ndef figures(" in (_HERE / f"{name}.py").read_text(encoding="utf-8")]


def main() -> int:
    """Run the measure that is named; 2 when there is none of that name."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in names():
        print(f"bench: there is no measure {name!r}. Known: {', '.join(names())} (make bench NAME=…)", file=sys.stderr)
        return 2
    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    measured = importlib.import_module(f"lab.bench.{name}").figures()
    figures.show(name, measured, console)
    figures.keep(_OUT / f"{name}.json", measured)
    console.print(f"written to {_OUT / f'{name}.json'}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
