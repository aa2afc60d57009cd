"""The windows of one's own recordings, as the second moments that a covariance model looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.source import UNLABELLED, Samples
from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments, moments_along
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.history import with_history
from app.learning.own.joined import Ids, Joined
from app.learning.own.signal_plan import SignalPlan

Doubles = npt.NDArray[np.float64]

HOP_S = 0.1
QUIET = 0.5  # of the quietest channel's power at rest is the floor: what is far below it is noise
SILENT = 1e-6  # of the loudest channel's power: a channel below it is flat
LEAST_FLOOR = 1e-6  # of the normalised variance; a recording with an electrically silent rest has that
LEAST_STD = 0.2  # of the channels' median: one that was flat in learning must not shout when it comes alive

_NAMES = ("window", "context", "bands", "power")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnWindows:
    """Windows that lie completely in one label and repetition; one row a window."""

    signal: Samples  # filtered
    joined: Joined
    plan: SignalPlan
    start: Ids  # the window's first sample
    first: Ids  # that of its piece
    label: Ids
    repetition: Ids
    moments: Moments  # in squared units of the signal, of all channels

    def __len__(self) -> int:
        return len(self.start)

    def recent(self, rows: Ids) -> Samples:
        """Return windows without their history, (rows, length, channels)."""
        found: Samples = self.signal[self.start[rows, np.newaxis] + np.arange(self.plan.length)]
        return found

    def whole(self, rows: Ids) -> Samples:
        """Return windows with their history, (rows, reads, channels)."""
        ends = self.start[rows] + self.plan.length
        spans = zip(self.first[rows].tolist(), ends.tolist(), strict=True)
        return np.stack([with_history(self.signal[first:end], self.plan.reads) for first, end in spans])

    def power(self, rows: Ids) -> Doubles:
        """Return each channel's power in the windows, (rows, channels), in squared units of the signal."""
        found: Doubles = np.diagonal(self.moments.window[rows], axis1=1, axis2=2)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """What is learned of a signal before its classes are: levels, floor and, of many channels, directions."""

    std: Doubles  # (channels,) in units of the signal
    parameters: CovarianceParameters  # with their floor
    projection: Doubles | None = None  # (directions, channels)

    def features(self, found: Moments) -> Doubles:
        """Return the features of windows with those moments, which are not normalised."""
        square = np.square(self.std)
        products = np.outer(self.std, self.std)
        window, context = found.window / products, found.context / products
        power = found.power
        if self.projection is not None:
            power = np.stack([np.diagonal(each, axis1=1, axis2=2) for each in (window, context)], 1)
            window, context = (self.projection @ each @ self.projection.T for each in (window, context))
        scaled = Moments(window=window, context=context, bands=found.bands / square, power=power)
        return of_moments(scaled, self.parameters)


def cut(joined: Joined, signal: Samples, plan: SignalPlan) -> OwnWindows:
    """Return the windows every HOP_S, each with its history as far as its piece has it."""
    starts, firsts, parts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
    along: dict[str, Any] = {"length": plan.length, "reads": plan.reads, "rate": joined.rate}
    for piece in joined.pieces():
        start = _starts(joined, piece, plan.length)
        if not len(start):
            continue
        ends = start - piece.start + plan.length
        parts.append(moments_along(signal[piece], ends, plan.parameters, **along))
        starts.append(start)
        firsts.append(np.full_like(start, piece.start))
    start = np.concatenate(starts)
    return OwnWindows(
        signal=signal,
        joined=joined,
        plan=plan,
        start=start,
        first=np.concatenate(firsts),
        label=joined.label[start],
        repetition=joined.repetition[start],
        moments=together(parts, joined.channels, len(plan.parameters.bands_hz)),
    )


def scale_of(windows: OwnWindows, rows: Ids) -> Scale:
    """Return levels, floor and directions of those windows; every class counts alike."""
    label, power = windows.label[rows], windows.power(rows)
    classes = np.unique(label)
    variance = np.mean([power[label == k].mean(0) for k in classes], axis=0)  # (channels,)
    resting = power[label == windows.joined.rest]
    std = deviations(variance)
    quiet = np.median(resting if len(resting) else power, axis=0)
    alive = variance > SILENT * variance.max()
    floor = QUIET * float((quiet / np.square(std))[alive].min()) if alive.any() else 0.0
    parameters = replace(windows.plan.parameters, floor=max(floor, LEAST_FLOOR))
    projection = None
    if parameters.projected:
        means = [windows.moments.window[rows[label == k]].mean(0) / np.outer(std, std) for k in classes]
        projection = _directions(means, parameters.projected)
    return Scale(std=std, parameters=parameters, projection=projection)


def deviations(variance: Doubles) -> Doubles:
    """Return by what each channel is divided, (channels,): its own level, so that their gains do not matter."""
    std = np.sqrt(variance)
    alive = std[variance > SILENT * variance.max()]
    usual = float(np.median(alive)) if len(alive) else 1.0
    return np.maximum(std, LEAST_STD * usual)


def together(parts: Sequence[Moments], channels: int, bands: int) -> Moments:
    """Return the moments of all of them."""
    none = Moments(
        window=np.zeros((0, channels, channels)),
        context=np.zeros((0, channels, channels)),
        bands=np.zeros((0, bands, channels)),
        power=np.zeros((0, 2, 0)),
    )
    every = [none, *parts]
    return Moments(**{name: np.concatenate([getattr(part, name) for part in every]) for name in _NAMES})


def mixed(own: Moments, other: Moments, share: Doubles) -> Moments:
    """Return windows whose past is, to a share (n,), that of others."""
    part = share[:, np.newaxis, np.newaxis]
    return Moments(
        window=own.window,
        context=(1 - part) * own.context + part * other.context,
        bands=(1 - part) * own.bands + part * other.bands,
        power=own.power,
    )


def _directions(covariances: Sequence[Doubles], count: int) -> Doubles:
    """Return the directions (count, channels) in which the classes' shapes have most power; orthonormal."""
    shape = np.mean([one / (np.trace(one) or 1.0) for one in covariances], axis=0)
    _, vectors = np.linalg.eigh(shape)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def _starts(joined: Joined, piece: slice, length: int) -> Ids:
    """Return where the windows of a piece start."""
    hop = max(1, round(HOP_S * joined.rate))
    label, repetition = joined.label[piece], joined.repetition[piece]
    edges = np.flatnonzero((np.diff(label) != 0) | (np.diff(repetition) != 0)) + 1
    bounds = [0, *edges.tolist(), len(label)]
    own = [
        np.arange(piece.start + begin, piece.start + end - length + 1, hop)
        for begin, end in pairwise(bounds)
        if label[begin] != UNLABELLED
    ]
    return np.concatenate([np.zeros(0, np.int64), *own])
