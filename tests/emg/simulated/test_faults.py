from __future__ import annotations

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.simulated.faults import FOREVER, Fault, FaultInjector, Flat, Gap, Hum, Railed, Stall, parse
from app.emg.source import Chunk
from app.errors import ConfigError
from tests.emg.fakes import ScriptedSource, Time

SAMPLES = np.random.default_rng(0).normal(0, 20, (100, 4)).astype(np.float32)
LABELS = np.arange(100, dtype=np.int16)


def source(restart_at: int = 0) -> ScriptedSource:
    """100 samples in chunks of 10."""
    return ScriptedSource(
        [
            Chunk(
                index=at, samples=SAMPLES[at : at + 10], labels=LABELS[at : at + 10], restart=at == restart_at
            )
            for at in range(0, 100, 10)
        ]
    )


def read_all(faulty: FaultInjector) -> list[Chunk]:
    return list(iter(faulty.read, None))


def run(*faults: Fault, restart_at: int = 0) -> list[Chunk]:
    return read_all(FaultInjector(source(restart_at), faults))


def joined(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ()),
        ("gap@2000:50", (Gap(2000, 50),)),
        ("flat@4000:ch3", (Flat(4000, 3),)),
        ("flat@4000-4500:ch3", (Flat(4000, 3, 4500),)),
        ("rail@10:ch0", (Railed(10, 0, 5000.0),)),
        ("rail@10-20:ch0=-127.5", (Railed(10, 0, -127.5, 20),)),
        ("hum@0:60=12.5", (Hum(0, 60, 12.5),)),
        ("stall@8000:2.5", (Stall(8000, 2.5),)),
        (" gap@1:2 ,stall@3:4, ", (Gap(1, 2), Stall(3, 4))),
    ],
)
def test_a_line_of_text_describes_faults(text: str, faults: tuple) -> None:
    assert parse(text) == faults


@pytest.mark.parametrize(
    "text",
    [
        "gap",
        "gap@",
        "gap@x:5",
        "gap@5",
        "gap@5:0",
        "gap@5:-3",
        "gap@5:many",
        "gap@5-9:3",
        "bang@5:3",
        "flat@5:3",
        "flat@5:ch",
        "flat@5:ch1=2",
        "flat@9-5:ch1",
        "rail@5:ch1=",
        "rail@5:ch1=1.2.3",
        "hum@5:50",
        "hum@5:0=3",
        "hum@5:50=0",
        "stall@5:0",
        "stall@5:soon",
        "stall@5:nan",
        "stall@5-9:1",
    ],
)
def test_a_fault_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="fault ") as caught:
        parse(f"gap@2000:50,{text}")
    assert repr(text) in str(caught.value)


def test_without_faults_the_source_comes_through_unchanged() -> None:
    chunks = run()
    np.testing.assert_array_equal(joined(chunks), SAMPLES)
    assert [chunk.index for chunk in chunks] == list(range(0, 100, 10))
    assert [chunk.restart for chunk in chunks] == [True] + [False] * 9


@pytest.mark.parametrize(
    ("at", "n"),
    [(20, 10), (23, 4), (25, 40), (0, 5), (95, 50)],
    ids=["chunk", "inside", "over", "first", "last"],
)
def test_a_gap_drops_its_samples_and_the_index_jumps(at: int, n: int) -> None:
    chunks = run(Gap(at, n))
    indices = np.concatenate([chunk.index + np.arange(len(chunk.samples)) for chunk in chunks])
    kept = [i for i in range(100) if not at <= i < at + n]
    assert indices.tolist() == kept
    np.testing.assert_array_equal(joined(chunks), SAMPLES[kept])
    np.testing.assert_array_equal(np.concatenate([chunk.labels for chunk in chunks]), LABELS[kept])


def test_a_restart_inside_a_gap_is_told_by_the_next_sample() -> None:
    chunks = run(Gap(45, 12), restart_at=50)
    assert [chunk.index for chunk in chunks if chunk.restart] == [57]


def test_a_chunk_that_a_gap_splits_restarts_once() -> None:
    chunks = run(Gap(23, 4), restart_at=20)
    assert [chunk.index for chunk in chunks if chunk.restart] == [20]


def test_a_flat_and_a_railed_channel_change_nothing_else() -> None:
    samples = joined(run(Flat(15, 1, until=35), Railed(42, 3, level=-99)))
    expected = SAMPLES.copy()
    expected[15:35, 1] = 0
    expected[42:, 3] = -99
    np.testing.assert_array_equal(samples, expected)


def test_hum_is_one_sine_across_chunks_and_gaps_and_a_dead_channel_does_not_hear_it() -> None:
    samples = joined(run(Hum(13, 50 / 3, 20), Flat(0, 2)))
    hum = np.zeros((100, 4))
    hum[13:] = 20 * np.sin(2 * np.pi * 50 / 3 / 200 * np.arange(13, 100))[:, None]
    expected = SAMPLES + hum
    expected[:, 2] = 0
    np.testing.assert_allclose(samples, expected, atol=1e-4)


def test_the_wrapped_source_keeps_its_samples() -> None:
    before = SAMPLES.copy()
    run(Flat(0, 0), Hum(0, 50, 5))
    np.testing.assert_array_equal(SAMPLES, before)


def test_a_stall_holds_the_samples_back_once_and_loses_none() -> None:
    time = Time()
    faulty = FaultInjector(source(), [Stall(25, 2.5)], time.sleep)
    arrivals = [(chunk.index, time.now - 1000) for chunk in iter(faulty.read, None)]
    assert [index for index, _ in arrivals] == list(range(0, 100, 10))
    assert [at for _, at in arrivals] == pytest.approx([0, 0] + [2.5] * 8)


def test_a_stalled_source_that_is_closed_ends_soon() -> None:
    inner = source()
    naps = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        faulty.close()

    faulty = FaultInjector(inner, [Stall(0, 600)], sleep)
    assert faulty.read() is None
    assert sum(naps) < 0.2
    assert inner.closed == 1


@pytest.mark.parametrize("fault", ["flat@0:ch4", "rail@50:ch9"])
def test_a_fault_on_a_channel_that_is_not_there_is_refused(fault: str) -> None:
    with pytest.raises(ConfigError, match=f"fault {fault}: the source has channels 0 to 3"):
        FaultInjector(source(), parse(fault))


def test_it_looks_like_the_source_it_wraps() -> None:
    faulty = FaultInjector(source(), [])
    assert (faulty.name, faulty.units, faulty.channels, faulty.sampling_rate) == ("scripted", "uV", 4, 200)


def test_faults_without_an_end_last() -> None:
    assert Flat(0, 0).until == Railed(0, 0).until == Hum(0, 50, 1).until == FOREVER


def test_the_counters_of_the_wrapped_source_are_passed_on() -> None:
    counting = source()
    counting.sums = {"crc_errors": 3}  # type: ignore[attr-defined]  # some sources have them
    assert FaultInjector(counting, (Gap(20, 5),)).sums == {"crc_errors": 3}
    assert FaultInjector(source(), (Gap(20, 5),)).sums == {}


def test_what_comes_beside_the_emg_comes_through_also_where_a_gap_swallows_its_samples() -> None:
    def beside(at: float) -> tuple[AuxChunk, ...]:
        return (AuxChunk(stream=0, at=at, samples=np.full((1, 1), at, np.float32)),)

    chunks = [Chunk(index=at, samples=np.zeros((10, 2), np.float32), aux=beside(at)) for at in (0, 10, 20)]
    source = ScriptedSource(chunks)
    source.aux_streams = (AuxStream(name="tilt", channel_names=("x",), units="g", sampling_rate=20.0),)
    faulty = FaultInjector(source, [Gap(8, 14)])
    assert faulty.aux_streams == source.aux_streams
    found = [faulty.read(), faulty.read()]
    assert [(chunk.index, [aux.at for aux in chunk.aux]) for chunk in found if chunk] == [
        (0, [0.0]),
        (22, [10.0, 20.0]),
    ]
