"""`make bench`: measure, keep the numbers as JSON, and write docs/benchmarks.md and its plots from them.

python -m benchmarks                     everything, some 20 minutes
python -m benchmarks streams requests    some of it; the rest of the page keeps its last numbers
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
from datetime import date
from pathlib import Path

import psutil

from benchmarks.report import write

ALL = ("engine", "requests", "streams", "push", "live", "workers", "models_live")
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> None:
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or ALL:
        if name not in ALL:
            sys.exit(f"there is no benchmark {name!r}; there are {', '.join(ALL)}")
        measured = importlib.import_module(f"benchmarks.{name}").run()
        found[name] = {"date": date.today().isoformat(), "machine": machine(), **measured}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    write(found)


def machine() -> str:
    """What it ran on."""
    memory = psutil.virtual_memory().total / 2**30
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{cpu}, {psutil.cpu_count()} cores, {memory:.0f} GiB, no GPU, Python {platform.python_version()}"


main(sys.argv[1:])
