"""What a source's samples must look like, and where each of its auxiliary streams is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .live.messages import FLOAT32, FORMATS, INT16, INT24, AuxBlock, Samples


class SourceSamples:
    """Looks at what a program sends, before it goes anywhere."""

    def __init__(self, channels: int, aux: Sequence[Mapping[str, Any]], sample_format: str | None) -> None:
        if sample_format is not None and sample_format not in FORMATS:
            raise ValueError(f"sample_format must be one of {', '.join(FORMATS)}, got {sample_format!r}")
        self._channels = channels
        self._format = None if sample_format is None else FORMATS[sample_format]
        self._aux = [(str(one["name"]), len(one["channel_names"])) for one in aux]
        self._aux_next = [0] * len(self._aux)

    def format_of(self, samples: Samples) -> int:
        """Return the format that they go in."""
        if self._format is not None:
            return self._format
        counts = not isinstance(samples, list) and samples.dtype.kind == "i" and samples.dtype.itemsize == 2
        return INT16 if counts else FLOAT32

    def expect(self, samples: Samples) -> None:
        """See that they are (n, channels), and whole numbers where the format has only such.

        Raises:
            ValueError: they are not.
        """
        _expect(samples, self._channels, "a chunk", "each sample")
        if (
            self._format in (INT16, INT24)
            and not isinstance(samples, list)
            and samples.dtype.kind not in "iu"
        ):
            raise ValueError(f"this format is for whole numbers, got an array of {samples.dtype}")

    def aux_blocks(self, aux: Mapping[str, Samples] | None) -> list[AuxBlock]:
        """Return what comes beside the samples, numbered.

        Raises:
            ValueError: no such stream was declared, or it has other channels.
        """
        found = []
        for name, samples in (aux or {}).items():
            stream = next((place for place, (own, _) in enumerate(self._aux) if own == name), None)
            if stream is None:
                names = ", ".join(own for own, _ in self._aux) or "none"
                raise ValueError(f"the source was declared without {name}; its auxiliary streams: {names}")
            _expect(samples, self._aux[stream][1], f"a chunk of {name}", f"each sample of {name}")
            if len(samples):
                found.append(AuxBlock(stream, self._aux_next[stream], samples))
        return found

    def sent(self, blocks: Sequence[AuxBlock]) -> None:
        """Go on behind them."""
        for block in blocks:
            self._aux_next[block.stream] = block.first_sample + len(block.samples)

    def skip(self, aux: Mapping[str, int]) -> None:
        """Go on so many samples further."""
        for place, (name, _) in enumerate(self._aux):
            self._aux_next[place] += aux.get(name, 0)


def _expect(samples: Samples, channels: int, chunk: str, sample: str) -> None:
    if isinstance(samples, list):
        if any(len(row) != channels for row in samples):
            raise ValueError(f"{sample} must have {channels} channels")
    elif samples.ndim != 2 or samples.shape[1] != channels:
        raise ValueError(f"{chunk} must be (n, {channels}), got an array of {samples.shape}")
