"""Asks an address whether it is well, and of Airflow's health report whether one part is; exits 1 where it is not.

python healthy.py http://api-server:8080/api/v2/monitor/health scheduler
"""

import json
import sys
import urllib.request


def main(url: str, part: str = "") -> int:
    """Return 0 where the address answers, and the part that was named calls itself healthy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=8) as answer:
            report = answer.read()
        return 0 if not part or json.loads(report)[part]["status"] == "healthy" else 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
