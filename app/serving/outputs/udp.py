"""Decisions as lines of text over UDP."""

from __future__ import annotations

from app.emg.udp_line import UdpLine
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.streams.events import Frame, ValueFrame


class UdpSender:
    """To whoever reads LibEMG's lines."""

    def __init__(self, address: tuple[str, int], manifest: Manifest) -> None:
        self._line = UdpLine(*address)
        self._rest = manifest.classes.index(manifest.rest_class)

    def follow(self, manifest: Manifest) -> bool:
        if manifest.gives_values:
            return False
        self._rest = manifest.classes.index(manifest.rest_class)
        self._line.change(self._rest, manifest.name, manifest.classes)
        return True

    def frame(self, frame: Frame | ValueFrame) -> None:
        if isinstance(frame, Frame):
            self._line.send(frame.decision, frame.window.intensity)

    def gesture(self, _event: GestureEvent) -> None:
        """Nothing to do: what is sent is said by frames."""

    def rest(self, _reason: Reason = "stalled") -> None:
        self._line.send(self._rest, 0.0)

    def close(self) -> None:
        self._line.close()
