"""Every benchmark, side by side in one run: `make bench`, or `make bench ARGS="lake dags"` for some.

Prints ratios, not promises: what a number means is how it stands to the plain tool that was measured beside it, on this
machine, a moment before. All results go to `.benchmarks/results.json` as well.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = ("pointintime", "ingestion", "scoring", "dags", "tasks", "lake")


def measure(name: str) -> Any:
    """Load a benchmark by its file and run it."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", HERE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.run()


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        sys.stderr.write(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}.\n")
        return 2
    results: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    }
    for name in names or NAMES:
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
