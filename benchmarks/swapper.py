"""Changes a source's model every second, in a process that takes next to nothing.

    python -m benchmarks.swapper URL MODEL...

Says "ready" once it has begun, and what was refused.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
import urllib.error
import urllib.request

EVERY_S = 1.0


def main(url: str, models: list[str]) -> None:
    """Go on until the process is ended."""
    print("ready", flush=True)
    for model in itertools.cycle(models):
        body = json.dumps({"model": model}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
        try:
            urllib.request.urlopen(request, timeout=20).close()
        except urllib.error.HTTPError as error:
            print(f"a change was refused: {error}", file=sys.stderr, flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
