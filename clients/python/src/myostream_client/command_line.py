"""The command line: `python -m myostream_client`, or `myostream-client` where it is installed.

Exit codes: 0 done, also when the reader of a pipe has had enough; 1 the server refused or cannot be reached; 2 wrong
arguments; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from .client import DEFAULT_URL, StreamingInferenceClient
from .errors import ClientError
from .event_stream import EventStream
from .events import Interrupted
from .terminal_view import best_view
from .transport import AUTO, TRANSPORTS
from .version import __version__

DESCRIPTION = """Show what a Myostream server recognises, as it recognises it.

    python -m myostream_client --duration 30 --fps 30 --votes 5
    python -m myostream_client --no-tensorrt --url http://192.168.1.20:8000
    python -m myostream_client --json --duration 10 | jq .decision_label

The key may be in EMG_API_KEY instead, where no list of processes shows it.
"""

Example = Callable[[StreamingInferenceClient, bool], None]  # (client, use_tensorrt)


def main(
    arguments: Sequence[str] | None = None,
    *,
    prog: str | None = None,
    description: str | None = DESCRIPTION,
    examples: Sequence[Example] = (),
) -> int:
    """Run what `arguments` ask for (None: those of the process) and return the exit code.

    With `examples` they are what is run without `--stream` or `--json`; without, a stream is.
    """
    asked = _asked(arguments, prog, description, len(examples))
    try:
        with StreamingInferenceClient(asked.url, asked.api_key, transport=asked.transport) as client:
            if asked.stream:
                _stream(client, asked)
            else:
                for example in examples if asked.example is None else [examples[asked.example - 1]]:
                    example(client, asked.use_tensorrt)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`; what is still in the buffer must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ClientError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _stream(client: StreamingInferenceClient, asked: argparse.Namespace) -> None:
    with client.stream(
        duration_seconds=asked.duration,
        use_tensorrt=asked.use_tensorrt,
        fps=asked.fps,
        preprocess=asked.preprocess,
        votes=asked.votes,
        min_confidence=asked.min_confidence,
        enter=asked.enter,
        leave=asked.leave,
        change=asked.change,
        backend=asked.backend,
        source=asked.source,
        model=asked.model,
        include_signal=asked.signal or None,
        include_aux=asked.aux or None,
    ) as stream:
        if asked.json:
            _write_json(stream)
        else:
            with best_view(lambda: client.classes(asked.source, model=asked.model)) as view:
                for event in stream:
                    view.show(event)


def _write_json(stream: EventStream) -> None:
    """One event per line, as the server made it; a lost connection is a line of the same kind."""
    for said in stream.raw():
        if isinstance(said, Interrupted):
            event = {"status": "interrupted", "reason": said.reason, "delay_s": round(said.delay_s, 3)}
        else:
            event = said
        print(json.dumps(event, separators=(",", ":")), flush=True)


def _asked(
    arguments: Sequence[str] | None, prog: str | None, description: str | None, examples: int
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=DEFAULT_URL, help=f"the server (default: {DEFAULT_URL})")
    parser.add_argument("--api-key", default=os.environ.get("EMG_API_KEY") or None, help="or in EMG_API_KEY")
    parser.add_argument(
        "--transport",
        choices=TRANSPORTS,
        default=AUTO,
        help="how streams come (default: by WebSocket if there is one)",
    )
    parser.add_argument("--version", action="version", version=f"myostream_client {__version__}")
    parser.set_defaults(example=None)
    what = parser.add_mutually_exclusive_group()
    if examples:
        what.add_argument("--example", type=int, choices=range(1, examples + 1), help="one of them")
    what.add_argument("--stream", action="store_true", help="stream, and show it")
    parser.add_argument("--json", action="store_true", help="stream, one event per line, for pipes")
    _add_stream_options(parser)
    asked = parser.parse_args(arguments)
    if asked.json and asked.example:
        parser.error("argument --json: not allowed with argument --example")
    asked.stream = asked.stream or asked.json or not examples
    return asked


def _add_stream_options(parser: argparse.ArgumentParser) -> None:
    stream = parser.add_argument_group("streams")
    stream.add_argument("--duration", type=float, metavar="SECONDS", help="default: until Ctrl-C")
    stream.add_argument("--fps", type=float, default=30.0, help="frames a second (default: 30)")
    stream.add_argument("--votes", type=int, help="the decision is the majority of so many predictions")
    stream.add_argument("--min-confidence", type=float, help="a prediction below this is no vote")
    stream.add_argument("--enter", type=float, metavar="P", help="a gesture begins at this probability")
    stream.add_argument("--leave", type=float, metavar="P", help="and ends when its own is below this one")
    stream.add_argument("--change", type=float, metavar="P", help="another one follows it at this one")
    stream.add_argument("--backend", help="tensorrt, onnxruntime, pytorch or remote, and no other")
    stream.add_argument("--source", help="the name of a source")
    stream.add_argument("--model", help="the name of a model, and no other, whichever reads the source")
    stream.add_argument("--signal", action="store_true", help="with the filtered samples, for --json")
    stream.add_argument("--aux", action="store_true", help="with what comes beside the EMG, for --json")
    stream.add_argument("--no-tensorrt", dest="use_tensorrt", action="store_false", help="in another backend")
    stream.add_argument("--no-preprocess", dest="preprocess", action="store_false", help="do not normalise")
