"""A client for a Myostream server: predictions of gestures from live muscle signals.

    from myostream_client import StreamingInferenceClient

    with StreamingInferenceClient("http://127.0.0.1:8000") as client:
        for event in client.stream(duration_seconds=10, votes=5):
            print(event)

Needs Python 3.10 and nothing else (numpy for arrays, rich for a livelier view in a terminal).
"""

from .client import DEFAULT_URL, StreamingInferenceClient
from .errors import (
    ClientError,
    KeyRefusedError,
    NotMyostreamError,
    RefusedError,
    ServerUnreachableError,
    TeachingCancelledError,
    TeachingError,
)
from .event_stream import EventStream, Json
from .events import (
    Aux,
    Completed,
    Decision,
    Event,
    Frame,
    GestureEvent,
    Interrupted,
    LiveEvent,
    ModelChange,
    Quality,
    SignalFrame,
    SourceChange,
    Trouble,
    ValueFrame,
    event_of,
)
from .lessons import FREE_MOVEMENT, Action, Cursor, Progress, Prompt, Repetition, Taught
from .live.messages import Record, records_of
from .live.source import LiveSource
from .live.websocket import NoWebSocketError
from .live.windows import WindowSocket
from .predictions import Prediction, Values
from .pushed_source import PushedSource, Receipt
from .sse import SseEvent, SseParser
from .summary import StreamSummary
from .terminal_view import line_of
from .version import __version__

__all__ = [
    "DEFAULT_URL",
    "FREE_MOVEMENT",
    "Action",
    "Aux",
    "ClientError",
    "Completed",
    "Cursor",
    "Decision",
    "Event",
    "EventStream",
    "Frame",
    "GestureEvent",
    "Interrupted",
    "Json",
    "KeyRefusedError",
    "LiveEvent",
    "LiveSource",
    "ModelChange",
    "NoWebSocketError",
    "NotMyostreamError",
    "Prediction",
    "Progress",
    "Prompt",
    "PushedSource",
    "Quality",
    "Receipt",
    "Record",
    "RefusedError",
    "Repetition",
    "ServerUnreachableError",
    "SignalFrame",
    "SourceChange",
    "SseEvent",
    "SseParser",
    "StreamSummary",
    "StreamingInferenceClient",
    "Taught",
    "TeachingCancelledError",
    "TeachingError",
    "Trouble",
    "ValueFrame",
    "Values",
    "WindowSocket",
    "__version__",
    "event_of",
    "line_of",
    "records_of",
]
