"""Which signals of a file are its EMG, and which come beside it: by kind, rate and units."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.emg.auxiliary import AuxStream
from app.emg.files.binary.channel_choice import chosen, expect_few, listed, numbers, unique
from app.emg.files.imported import ImportHints
from app.emg.units import factor, standard
from app.errors import DataError

UNKNOWN = "unknown"
SAME_RATE = 1e-6  # relative
_NO_SIGNALS = frozenset(
    {
        *("accelerometer", "gyroscope", "magnetometer", "orientation", "angle"),
        *("trigger", "battery", "counter", "temperature", "force"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal of a file as the file describes it; `kind` is EMG, accelerometer, ...; empty where it does not say.

    Those of one `clock` have as many samples as their rates say.
    """

    name: str
    kind: str
    units: str
    rate: float  # Hz
    clock: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxGroup:
    """An auxiliary stream and where its channels are among the signals."""

    stream: AuxStream
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is EMG, times what each of its channels is in `units`, and the rest."""

    emg: tuple[int, ...]
    names: tuple[str, ...]
    rate: float  # Hz
    units: str
    factors: tuple[float, ...]
    aux: tuple[AuxGroup, ...]
    found: tuple[str, ...]
    assumed: tuple[str, ...]


def choose(path: Path, signals: Sequence[Signal], hints: ImportHints) -> Choice:
    """Return what is EMG among the signals: what `hints.emg` names, else what is called EMG, else what may be.

    Raises:
        DataError: there is none, they have different rates though they were named, or they are too many.
    """
    if not signals:
        raise DataError(f"{path.name}: holds no signals")
    places, assumed = _emg(path, signals, hints)
    places, slower = _one_rate(path, signals, places, hints)
    expect_few(path, len(places))
    units, factors, mixed = _units([signals[k].units for k in places], hints)
    names = unique([signal.name for signal in signals])
    aux = _aux([k for k in range(len(signals)) if k not in places], signals, names)
    return Choice(
        emg=places,
        names=tuple(names[k] for k in places),
        rate=signals[places[0]].rate,
        units=units,
        factors=factors,
        aux=aux,
        found=tuple(_beside(group) for group in aux),
        assumed=(*assumed, *slower, *mixed),
    )


def _emg(
    path: Path, signals: Sequence[Signal], hints: ImportHints
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    names = [signal.name for signal in signals]
    if hints.emg is not None:
        return chosen(path, names, hints.emg), ()
    called = tuple(k for k, signal in enumerate(signals) if signal.kind == "EMG")
    if called:
        return called, ()
    may_be = tuple(k for k, signal in enumerate(signals) if signal.kind not in _NO_SIGNALS)
    if not may_be:
        raise DataError(
            f"{path.name}: none of its signals is EMG: {listed(names)}; --emg names those that are"
        )
    of_these = (
        f"those that may be, {numbers(may_be)}," if len(may_be) < len(signals) else f"all {len(signals)}"
    )
    return may_be, (f"no signal is called EMG: {of_these} are taken; --emg chooses others",)


def _one_rate(
    path: Path, signals: Sequence[Signal], places: tuple[int, ...], hints: ImportHints
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return those that share the most frequent rate, the higher of equals, and what to say of the others."""
    count = Counter(signals[k].rate for k in places)
    rate = max(count, key=lambda rate: (count[rate], rate))
    taken = tuple(k for k in places if math.isclose(signals[k].rate, rate, rel_tol=SAME_RATE))
    others = [k for k in places if k not in taken]
    if not others:
        return taken, ()
    rates = " and ".join(f"{one:g}" for one in sorted(count))
    if hints.emg is not None:
        raise DataError(
            f"{path.name}: --emg {hints.emg} names channels of {rates} Hz; name those of one rate"
        )
    return taken, (
        f"the EMG has {rates} Hz: the {len(taken)} channels of {rate:g} Hz are taken, the others come beside it; "
        f"--emg {numbers(others)} takes those",
    )


def _units(said: Sequence[str], hints: ImportHints) -> tuple[str, tuple[float, ...], tuple[str, ...]]:
    if hints.units is not None:
        return standard(hints.units), (1.0,) * len(said), ()
    known = [standard(units) for units in said]
    most = Counter(known).most_common(1)[0][0]
    factors = [factor(units, most) for units in known]
    if len(set(known)) == 1:
        return most or UNKNOWN, (1.0,) * len(said), ()
    different = " and ".join(sorted({units or "none" for units in known}))
    if None in factors:
        return (
            UNKNOWN,
            (1.0,) * len(said),
            (f"the EMG is in {different}, which stays as it is; --emg takes a part",),
        )
    line = f"the EMG is in {different}: all is given in {most}; --units says otherwise"
    return most, tuple(one or 1.0 for one in factors), (line,)


def _aux(places: Sequence[int], signals: Sequence[Signal], names: Sequence[str]) -> tuple[AuxGroup, ...]:
    groups: dict[tuple[str, float, str, int], list[int]] = {}
    for k in places:
        one = signals[k]
        groups.setdefault((one.kind, one.rate, standard(one.units), one.clock), []).append(k)
    made = []
    for (kind, rate, units, _), members in groups.items():
        stream = AuxStream(
            name=kind or (names[members[0]] if len(members) == 1 else "other"),
            channel_names=tuple(names[k] for k in members),
            units=units or UNKNOWN,
            sampling_rate=rate,
        )
        made.append(AuxGroup(stream=stream, places=tuple(members)))
    return tuple(made)


def _beside(group: AuxGroup) -> str:
    stream = group.stream
    names = ", ".join(stream.channel_names[:8]) + (", ..." if stream.channels > 8 else "")
    return f"beside the EMG: {stream.name} at {stream.sampling_rate:.7g} Hz ({names})"
