"""What should be acted upon of a model of values: as lines of text over UDP, and as an LSL stream."""

from __future__ import annotations

import time

from app.config import Settings
from app.emg.lsl.value_outlet import ValueOutlet
from app.emg.udp_line import UdpLine
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.streams.events import Frame, ValueFrame


class ValueUdpSender:
    """To whoever reads LibEMG's lines of a regressor. Fits Sender."""

    def __init__(self, address: tuple[str, int], manifest: Manifest) -> None:
        self._line = UdpLine(*address)
        self._rest = [value.neutral for value in manifest.outputs.values]

    def follow(self, _manifest: Manifest) -> bool:
        return False  # its values are others

    def frame(self, frame: Frame | ValueFrame) -> None:
        if isinstance(frame, ValueFrame):
            self._line.send_values(list(frame.output.values()), frame.timestamp)

    def gesture(self, _event: GestureEvent) -> None:
        """Nothing to do: what is sent is said by frames."""

    def rest(self, _reason: Reason = "stalled") -> None:
        self._line.send_values(self._rest, time.time())

    def close(self) -> None:
        self._line.close()


class ValueLslSender:
    """To an LSL stream, which exists from the first frame on. Fits Sender."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        values = manifest.outputs.values
        self._rest = [value.neutral for value in values]
        self._outlet = ValueOutlet(
            f"myostream:{settings.bind}", manifest.name, manifest.columns, [value.units for value in values]
        )

    def follow(self, _manifest: Manifest) -> bool:
        return False  # its values are others

    def frame(self, frame: Frame | ValueFrame) -> None:
        if isinstance(frame, ValueFrame):
            self._outlet.push(list(frame.output.values()), frame.timestamp - frame.age_ms / 1e3)

    def gesture(self, _event: GestureEvent) -> None:
        """Nothing to do: what is sent is said by frames."""

    def rest(self, _reason: Reason = "stalled") -> None:
        self._outlet.push(self._rest, time.time())

    def close(self) -> None:
        self._outlet.close()
