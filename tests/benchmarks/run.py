"""Every benchmark, side by side in one run: `make bench`, or `make bench ARGS="lake dags"` for some.

Prints ratios, not promises: what a number means is how it stands to the plain tool that was measured beside it, on this
machine, a moment before. All results go to `.benchmarks/results.json` as well.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

BENCHMARKS = {
    "pointintime": ("pointintime", "run"),
    "pointintime_10m": ("pointintime", "run_limited"),
    "ingestion": ("ingestion", "run"),
    "scoring": ("scoring", "run"),
    "monitoring": ("monitoring", "run"),
    "dags": ("dags", "run"),
    "tasks": ("tasks", "run"),
    "lake": ("lake", "run"),
    "gate": ("gate", "run"),
}


def measure(name: str) -> Any:
    """Run a benchmark; its processes import it by the same name, so its folder is on the path."""
    module, function = BENCHMARKS[name]
    return getattr(importlib.import_module(module), function)()


def main(names: list[str]) -> int:
    sys.path.insert(0, str(Path(__file__).parent))
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.stderr.write(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.\n")
        return 2
    results: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    }
    for name in names or BENCHMARKS:
        began = time.perf_counter()
        sys.stdout.write(f"{name} …\n")
        sys.stdout.flush()
        results[name] = measure(name)
        for key, value in results[name].items():
            sys.stdout.write(f"  {key}: {value}\n")
        sys.stdout.write(f"  ({time.perf_counter() - began:.0f} s)\n")
    target = Path(".benchmarks") / "results.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2, default=str) + "\n", encoding="utf-8")
    sys.stdout.write(f"Written to {target}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
