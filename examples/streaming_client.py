"""A client for a Myostream server. Needs Python 3.10 and nothing else (numpy for arrays; rich for a livelier view).

    python examples/streaming_client.py                              all six examples
    python examples/streaming_client.py --example 4                  one of them
    python examples/streaming_client.py --stream --duration 30 --fps 30
    python examples/streaming_client.py --stream --no-tensorrt --url http://192.168.1.20:8000 --api-key KEY
    python examples/streaming_client.py --json --duration 10 | jq .decision_label

The key may be in EMG_API_KEY instead, where no list of processes shows it. docs/clients.md says more.

In a program of your own, from the project's root or with `pip install ./clients/python`:

    from examples.streaming_client import StreamingInferenceClient
    from myostream_client import StreamingInferenceClient            the same, where it is installed
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "clients" / "python" / "src"))  # last: what is installed comes first

try:
    from myostream_client import *  # noqa: F403  all that it names, and no list of it here
    from myostream_client import __all__, command_line  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "myostream_client":
        raise
    CURE = "the client is the package myostream_client: in Myostream's folder, pip install ./clients/python"
    if __name__ == "__main__":
        sys.exit(f"error: {CURE}")
    raise ModuleNotFoundError(CURE, name=error.name) from None


def main() -> int:
    """Run the command line with the six examples, and return its exit code."""
    return command_line.main(prog="streaming_client.py", description=__doc__, examples=six_examples())


def six_examples() -> list[command_line.Example]:
    """Return those of six_examples.py; none where this file was copied without it, and then it streams."""
    sys.path.append(str(HERE))  # under `python -m examples.streaming_client` it is not there
    try:
        from six_examples import runners  # noqa: PLC0415  only the command needs them
    except ModuleNotFoundError as error:
        if error.name != "six_examples":
            raise
        return []
    return runners()


if __name__ == "__main__":
    sys.exit(main())
