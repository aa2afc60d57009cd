"""Version 2 of the frame, and both versions in one decoder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.serial_device import frames
from app.emg.serial_device.decoder import Run
from app.emg.serial_device.frame_scanner import FrameScanner
from app.emg.serial_device.frames import TYPES, crc16, encode, encode2, encode_block
from app.emg.serial_device.packets import PacketDecoder

RATE, SCALE = 1925.926, 0.195
SAMPLES = np.random.default_rng(0).integers(-32768, 32768, (240, 4)).astype(np.int16)


def stream_of(samples: np.ndarray, per_frame: int = 1, first: int = 0, **said: object) -> bytes:
    return b"".join(
        encode2(samples[at : at + per_frame], first + at // per_frame, RATE, SCALE, **said)
        for at in range(0, len(samples), per_frame)
    )


def decoded(stream: bytes, channels: int = 4, rate: float | None = RATE, piece: int = 0) -> list[Run]:
    decoder = PacketDecoder(channels, rate)
    size = piece or max(len(stream), 1)
    return [run for at in range(0, len(stream), size) for run in decoder.feed(stream[at : at + size])]


def joined(runs: list[Run]) -> np.ndarray:
    return np.concatenate([run.samples for run in runs])


def test_a_frame_has_the_documented_bytes() -> None:
    """By hand, from the table of docs/devices.md."""
    block = encode_block(1, np.array([[256, -1, 2]], np.int16), 20, 0.5)
    frame = encode2(np.array([[1, -2]], np.int16), 0x0203, 148.148, 0.25, blocks=[block])
    expected = "a5 5b 27 00 03 02 02 00 01 01 e3 25 14 43 00 00 80 3e 01 00 fe ff"
    expected += " 01 03 01 14 00 00 00 00 3f 00 01 ff ff 02 00"
    assert frame[:-2].hex(" ") == expected
    assert int.from_bytes(frame[-2:], "little") == crc16(frame[2:-2])
    assert len(frame) == 0x27


@pytest.mark.parametrize("piece", [0, 1, 7, 28, 1000])
@pytest.mark.parametrize("per_frame", [1, 3, 10])
def test_what_was_encoded_is_decoded_however_it_comes(per_frame: int, piece: int) -> None:
    runs = decoded(stream_of(SAMPLES, per_frame, 65500), piece=piece)
    np.testing.assert_array_equal(joined(runs), SAMPLES)
    assert {(run.lost, run.restart, run.scale) for run in runs} == {(0, False, 0.195)}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("int16", [-32768, -1, 0, 32767]),
        ("int24", [-(2**23), -1, 0, 2**23 - 1]),
        ("int32", [-(2**31), -1, 0, 2**24]),
        ("float32", [-1e9, -0.5, 0.0, 1e-9]),
    ],
)
def test_every_type_of_value_comes_through(name: str, values: list[float]) -> None:
    samples = np.array([values, values[::-1]])
    (run,) = decoded(stream_of(samples, 2, type_=TYPES[name]))
    np.testing.assert_array_equal(run.samples, samples.astype(np.float32))


@pytest.mark.parametrize("channels", [1, 4, 64, 256])
def test_from_one_channel_to_256(channels: int) -> None:
    samples = np.arange(20 * channels).reshape(20, channels).astype(np.int16)
    most = frames.most_samples2(channels)
    assert len(encode2(samples[:1].repeat(most, axis=0), 0, RATE)) <= 4096
    np.testing.assert_array_equal(joined(decoded(stream_of(samples), channels)), samples)


@pytest.mark.parametrize("rate", [50.0, 148.148, 1259.259, 1925.926, 10000.0])
def test_a_rate_that_is_not_whole_is_said_as_it_is_written(rate: float) -> None:
    (frame,) = FrameScanner().feed(encode2(SAMPLES[:1], 0, rate))
    assert (frame.form.rate, frame.form.scale) == (rate, None)


def test_auxiliary_blocks_come_with_their_place() -> None:
    def block(at: int) -> list[bytes]:
        tilt = [encode_block(1, np.array([[at, 0, 1000]], np.int16), 20, 0.001)] if at % 20 == 0 else []
        return tilt + ([encode_block(5, np.array([[37]], np.int16), 100, 0.1)] if at == 40 else [])

    stream = b"".join(
        encode2(SAMPLES[at : at + 5], at // 5, RATE, SCALE, blocks=block(at)) for at in range(0, 100, 5)
    )
    (run,) = decoded(stream)
    tilt, battery = run.aux
    assert (tilt.kind, tilt.offset, tilt.every) == (1, 0, 20)
    np.testing.assert_allclose(tilt.samples, [[0.001 * at, 0, 1] for at in range(0, 100, 20)], rtol=1e-6)
    assert (battery.kind, battery.offset, battery.samples.tolist()) == (5, 40, [[pytest.approx(3.7)]])


def test_a_lost_frame_parts_the_auxiliary_samples_too() -> None:
    def frame(k: int) -> bytes:
        return encode2(
            SAMPLES[k : k + 1], k, RATE, blocks=[encode_block(4, np.array([[k]], np.int16), 1, 1.0)]
        )

    runs = decoded(b"".join(frame(k) for k in range(20) if not 5 <= k < 8))
    assert [(run.lost, [part.samples[:, 0].tolist() for part in run.aux]) for run in runs] == [
        (0, [[*range(5)]]),
        (3, [[*range(8, 20)]]),
    ]


def test_a_value_that_is_no_number_costs_its_frame() -> None:
    samples = np.ones((10, 4), np.float32)
    samples[4, 2] = np.nan
    runs = decoded(stream_of(samples, type_=TYPES["float32"]))
    assert [(len(run.samples), run.lost) for run in runs] == [(4, 0), (5, 1)]


@pytest.mark.parametrize("byte", range(2, 28))
@pytest.mark.parametrize("bit", [0, 7])
def test_every_flipped_bit_after_the_sync_costs_that_frame_alone(byte: int, bit: int) -> None:
    parts = [bytearray(stream_of(SAMPLES[k : k + 1], first=k)) for k in range(200)]
    parts[100][byte] ^= 1 << bit
    runs = decoded(b"".join(parts))
    np.testing.assert_array_equal(joined(runs), np.delete(SAMPLES[:200], 100, axis=0))
    assert [run.lost for run in runs] == [0, 1]


@given(st.lists(st.binary(max_size=60), min_size=2, max_size=12), st.integers(1, 50))
def test_garbage_between_frames_costs_no_frame(garbage: list[bytes], piece: int) -> None:
    parts = [stream_of(SAMPLES[k : k + 1], first=k) for k in range(len(garbage))]
    stream = b"".join(part for pair in zip(parts, garbage, strict=True) for part in pair) + parts[-1]
    np.testing.assert_array_equal(
        joined(decoded(stream, piece=piece))[: len(garbage)], SAMPLES[: len(garbage)]
    )


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_noise_that_begins_as_frames_do_makes_no_sample_and_keeps_no_heap(noise: bytes, piece: int) -> None:
    decoder = PacketDecoder(4)
    stream = b"\xa5\x5b\x00\x10" + (noise + b"\xa5\x5b") * 8
    runs = [run for at in range(0, len(stream), piece) for run in decoder.feed(stream[at : at + piece])]
    assert runs == []
    assert decoder.waiting <= 4096


def test_both_versions_are_read_and_a_change_is_followed() -> None:
    decoder = PacketDecoder(4)
    old = encode(SAMPLES, 0)
    assert joined(decoder.feed(old)).shape == (240, 4)
    new = [stream_of(SAMPLES, first=240 * k) for k in range(2)]
    runs = [
        run for part in new for at in range(0, len(part), 500) for run in decoder.feed(part[at : at + 500])
    ]
    assert 300 < len(joined(runs)) <= 480, "after some 4 KiB"
    assert runs[-1].scale == 0.195


def test_another_rate_is_complained_of_with_both_numbers() -> None:
    decoder = PacketDecoder(4, 1000.0)
    assert decoder.feed(stream_of(SAMPLES)) == []
    assert decoder.complaint == "the frames say 1925.926 Hz, and 1000 are expected (EMG_FS)"


@pytest.mark.parametrize(
    "shape", [(0, 4), (1, 257), (256, 1), (8, 256)], ids=["empty", "channels", "samples", "bytes"]
)
def test_frames_that_cannot_be_are_not_made(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not make a frame"):
        encode2(np.zeros(shape, np.int16), 0, RATE)


@pytest.mark.parametrize(
    "data",
    [b"\x01\x03\x01", encode_block(1, np.zeros((1, 3), np.int16), 0, 1.0), b"\x01\x03\x09" + bytes(12)],
)
def test_blocks_that_do_not_fill_the_frame_are_none(data: bytes) -> None:
    assert frames.blocks_of(data) is None
