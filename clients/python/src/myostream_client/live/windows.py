"""Windows of your own there, and predictions back, on one WebSocket: what a POST for each window costs is saved."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ClientError, ServerUnreachableError
from ..patience import Patience
from ..predictions import Prediction, Values, predictions_of, values_of
from ..server_http import Server
from .live_socket import Json, LiveSocket
from .messages import FLOAT32, windows_message
from .websocket import IDLE_S, NoWebSocketError

if TYPE_CHECKING:
    import numpy as np

PATH = "/infer/live"


class WindowSocket:
    """Send windows, and take what the model says of them, in the same order. Not for several threads at once.

    Several may be on their way; after a cut those without an answer are sent again. There is no such thing by HTTP:
    `infer_batch` is a request.

    Raises, while it is used:
        NoWebSocketError: the server has none.
        RefusedError: the server said no.
        ServerUnreachableError: it cannot be reached, or was away for longer than `give_up_s`.
    """

    def __init__(self, server: Server, options: Mapping[str, Any], *, give_up_s: float = 30.0) -> None:
        """`options`: length, channels, model, backend, preprocess."""
        self._server, self._options = server, dict(options)
        self._patience = Patience(give_up_s)
        self._waiting: deque[tuple[int, bytes]] = deque()  # without an answer
        self._answers: deque[Json] = deque()  # that nobody has asked for yet
        self._number = 0
        self._live = LiveSocket.open(server, PATH, self._options, IDLE_S)

    @property
    def greeting(self) -> Json:
        """What the server said of the model: `length`, `channels`, `classes`, `model`, `units`."""
        return self._live.greeting

    @property
    def pending(self) -> int:
        """How many messages have been sent whose predictions have not been asked for."""
        return len(self._waiting) + len(self._answers)

    def send(self, windows: np.ndarray[Any, Any]) -> int:
        """Send windows, (length, channels) or (n, length, channels), and return the number of their message."""
        length, channels = self.greeting["length"], self.greeting["channels"]
        if windows.ndim == 2:
            windows = windows[None]
        if windows.ndim != 3 or windows.shape[1:] != (length, channels):
            raise ValueError(f"windows are (n, {length}, {channels}), got an array of {windows.shape}")
        number, self._number = self._number, self._number + 1
        self._waiting.append((number, windows_message(number, windows, FLOAT32)))
        try:
            self._live.socket.send(self._waiting[-1][1])
        except ClientError as error:
            self._open_again(error)
        return number

    def predictions(self) -> list[Prediction]:
        """Return what the model says of the windows of the oldest message without an answer; waits for it.

        Raises:
            ValueError: all have been answered.
            ClientError: the model gives values; and as the class has it.
        """
        return predictions_of(self._answer())

    def values(self) -> list[Values]:
        """Return the same of a model that gives values."""
        return values_of(self._answer())

    def close(self) -> None:
        self._live.socket.close()

    def __enter__(self) -> WindowSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self) -> Json:
        if not self._waiting and not self._answers:
            raise ValueError("all windows that were sent have been answered")
        while not self._answers:
            try:
                for said in self._live.received(None):
                    if isinstance(said, dict) and said.get("type") == "prediction":
                        self._answered(said)
            except ClientError as error:
                self._open_again(error)
        return self._answers.popleft()

    def _answered(self, said: Json) -> None:
        """Take the answer to the oldest message without one; of one that was sent twice, the first."""
        self._patience.succeeded()
        if self._waiting and said["id"] == self._waiting[0][0]:
            self._waiting.popleft()
            self._answers.append(said)

    def _open_again(self, error: ClientError) -> None:
        self._live.socket.abort()
        if not error.passing:
            if self._waiting:
                self._waiting.popleft()  # it is the one that was refused
            raise error
        while True:
            time.sleep(self._patience.delay_after(error))
            try:
                self._live = LiveSocket.open(self._server, PATH, self._options, IDLE_S)
                for _, message in self._waiting:
                    self._live.socket.send(message)
                return
            except NoWebSocketError as away:  # a proxy answers in the place of a server that restarts
                error = ServerUnreachableError(str(away))
            except ClientError as again:
                error = again
