from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.serial_device.decoder import Run
from app.emg.serial_device.frames import FRAME_BYTES, SYNC, crc16, encode, most_samples
from app.emg.serial_device.packets import PacketDecoder

CHANNELS = 4
SAMPLES = np.random.default_rng(0).integers(-32768, 32768, (240, CHANNELS)).astype(np.int16)
SIZE = FRAME_BYTES + 2 * CHANNELS  # of a frame with one sample


def decoded(
    stream: bytes, piece: int | None = None, channels: int = CHANNELS
) -> tuple[PacketDecoder, list[Run]]:
    """All runs of a stream that comes at once, or in pieces."""
    decoder = PacketDecoder(channels)
    runs = []
    for at in range(0, len(stream), piece or max(len(stream), 1)):
        runs += decoder.feed(stream[at : at + (piece or len(stream))])
    return decoder, runs


def joined(runs: list[Run]) -> np.ndarray:
    return np.concatenate([run.samples for run in runs]) if runs else np.zeros((0, CHANNELS))


def frames_of(samples: np.ndarray, first: int = 0) -> list[bytes]:
    stream = encode(samples, first)
    size = FRAME_BYTES + 2 * samples.shape[1]
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def test_the_crc_is_the_catalogues() -> None:
    assert crc16(b"123456789") == 0x29B1


def test_a_frame_has_the_documented_bytes() -> None:
    frame = encode(np.array([[1, -2]], np.int16), counter=0x0203)
    assert frame[:-2].hex(" ") == "a5 5a 03 02 02 01 01 00 fe ff"
    assert int.from_bytes(frame[-2:], "little") == crc16(frame[2:-2])


@pytest.mark.parametrize("piece", [None, 1, 2, 7, SIZE, 1000])
@pytest.mark.parametrize("per_frame", [1, 3, 10])
def test_what_was_encoded_is_decoded_however_it_comes(per_frame: int, piece: int | None) -> None:
    decoder, runs = decoded(encode(SAMPLES, 65500, per_frame), piece)
    np.testing.assert_array_equal(joined(runs), SAMPLES)
    assert all((run.lost, run.restart) == (0, False) for run in runs)
    assert decoder.sums == {**dict.fromkeys(decoder.sums, 0), "frames": 240 // per_frame}


def test_a_read_gives_one_run_of_all_its_frames() -> None:
    _, runs = decoded(encode(SAMPLES, 0))
    assert [run.samples.shape for run in runs] == [(240, CHANNELS)]
    assert runs[0].samples.dtype == np.float32


def test_sixteen_channels_at_2000_hz_fit_through_921600_baud_one_by_one() -> None:
    one_second = encode(np.zeros((2000, 16), np.int16), 0)
    assert len(one_second) * 10 <= 921_600


@given(st.lists(st.binary(max_size=60), min_size=2, max_size=12), st.integers(1, 50))
def test_garbage_between_frames_costs_no_frame(garbage: list[bytes], piece: int) -> None:
    """Whatever it is, unless it makes a frame with a right CRC, or one with a header that swallows the next."""
    frames = frames_of(SAMPLES[: len(garbage)])
    stream = b"".join(part for pair in zip(frames, garbage, strict=True) for part in pair) + frames[0]
    decoder, runs = decoded(stream, piece)
    np.testing.assert_array_equal(joined(runs)[: len(garbage)], SAMPLES[: len(garbage)])
    assert decoder.lost_samples == 0
    assert sum(run.lost for run in runs) == 0


FALSE_STARTS = st.sampled_from([SYNC[:1], SYNC, SYNC + bytes([7, 0, CHANNELS, 1]), SYNC + b"\0\0\x10\x80"])


@given(
    st.lists(st.lists(FALSE_STARTS | st.binary(max_size=8), max_size=6), min_size=2, max_size=12),
    st.integers(1, 50),
)
def test_garbage_that_looks_like_the_beginning_of_frames_costs_none_either(
    garbage: list[list[bytes]], piece: int
) -> None:
    """Bytes of random garbage are hardly ever a sync word; these are, and headers of our own size among them."""
    frames = frames_of(SAMPLES[: len(garbage) + 1])
    between = [b"".join(parts) for parts in garbage]
    stream = b"".join(part for pair in zip(frames, between, strict=False) for part in pair) + frames[-1]
    decoder, runs = decoded(stream, piece)
    np.testing.assert_array_equal(joined(runs), SAMPLES[: len(frames)])
    assert decoder.lost_samples == 0


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_noise_alone_makes_no_sample_and_keeps_no_heap_of_bytes(noise: bytes, piece: int) -> None:
    decoder, runs = decoded(noise * 8, piece)
    assert runs == []
    assert decoder.waiting <= 4096 + FRAME_BYTES


@pytest.mark.parametrize("kept", range(SIZE))
def test_every_truncation_of_a_frame_costs_that_frame_alone(kept: int) -> None:
    frames = frames_of(SAMPLES[:6])
    stream = b"".join([*frames[:2], frames[2][:kept], *frames[3:]])
    decoder, runs = decoded(stream)
    assert [(len(run.samples), run.lost) for run in runs] == [(2, 0), (3, 1)]
    np.testing.assert_array_equal(joined(runs), np.delete(SAMPLES[:6], 2, axis=0))
    assert (decoder.lost_frames, decoder.lost_samples) == (1, 1)


@pytest.mark.parametrize("cut", range(SIZE))
def test_every_beginning_in_the_middle_of_a_frame_finds_the_next(cut: int) -> None:
    frames = frames_of(SAMPLES[:5])
    _, runs = decoded(frames[0][cut:] + b"".join(frames[1:]))
    first = 0 if cut == 0 else 1
    np.testing.assert_array_equal(joined(runs), SAMPLES[first:5])
    assert [run.lost for run in runs] == [0]


@pytest.mark.parametrize("byte", range(2, SIZE))
@pytest.mark.parametrize("bit", [0, 7])
def test_every_flipped_bit_after_the_sync_is_noticed(byte: int, bit: int) -> None:
    frames = frames_of(SAMPLES[:5])
    damaged = bytearray(frames[2])
    damaged[byte] ^= 1 << bit
    decoder, runs = decoded(b"".join([*frames[:2], bytes(damaged), *frames[3:]]))
    np.testing.assert_array_equal(joined(runs), np.delete(SAMPLES[:5], 2, axis=0))
    assert decoder.lost_samples == 1
    assert decoder.crc_errors == (0 if byte in (4, 5) else 1)  # another size is no header of this device


def test_lost_frames_are_counted_in_samples() -> None:
    stream = encode(SAMPLES[:40], 0, 10) + encode(SAMPLES[70:100], 7, 10)
    decoder, runs = decoded(stream)
    assert [(len(run.samples), run.lost) for run in runs] == [(40, 0), (30, 30)]
    assert (decoder.lost_frames, decoder.lost_samples) == (3, 30)


def test_the_counter_wraps_without_a_loss_and_a_loss_over_the_wrap_is_counted() -> None:
    _, runs = decoded(encode(SAMPLES[:10], 65530) + encode(SAMPLES[12:20], 6))
    assert [(len(run.samples), run.lost) for run in runs] == [(10, 0), (8, 2)]


def test_a_counter_that_falls_is_a_device_that_began_anew() -> None:
    decoder, runs = decoded(encode(SAMPLES[:10], 300) + encode(SAMPLES[10:20], 0))
    assert [(len(run.samples), run.lost, run.restart) for run in runs] == [(10, 0, False), (10, 0, True)]
    assert (decoder.restarts, decoder.lost_samples) == (1, 0)


def test_a_counter_that_jumps_further_than_time_allows_began_anew() -> None:
    decoder = PacketDecoder(CHANNELS)
    decoder.feed(encode(SAMPLES[:10], 40_000), most_lost=100)
    (run,) = decoder.feed(encode(SAMPLES[:10], 0), most_lost=100)
    assert (run.lost, run.restart) == (0, True)


def test_a_frame_that_comes_twice_counts_once() -> None:
    frames = frames_of(SAMPLES[:3])
    decoder, runs = decoded(b"".join([frames[0], frames[1], frames[1], frames[2]]))
    np.testing.assert_array_equal(joined(runs), SAMPLES[:3])
    assert decoder.repeated == 1


def test_a_frame_within_the_samples_of_another_is_not_taken() -> None:
    inner = encode(SAMPLES[:1], 9)
    rows = np.frombuffer(inner + bytes(-len(inner) % 8), "<i2").reshape(-1, CHANNELS).astype(np.int16)
    stream = encode(np.concatenate([rows, rows]), 5, per_frame=len(rows))
    for piece in (None, 1, 5):
        decoder, runs = decoded(stream, piece)
        np.testing.assert_array_equal(joined(runs), np.concatenate([rows, rows]))
        assert decoder.frames == 2


def test_a_device_that_changes_the_size_of_its_frames_is_followed_within_a_few_kilobytes() -> None:
    decoder, _ = decoded(encode(SAMPLES[:10], 0))
    stream = b"".join(encode(SAMPLES, 24 * k, 10) for k in range(6))
    runs = [run for at in range(0, len(stream), 640) for run in decoder.feed(stream[at : at + 640])]
    assert len(joined(runs)) > 6 * 240 - 640


def test_reset_forgets_half_a_frame_and_the_counter() -> None:
    decoder, _ = decoded(encode(SAMPLES[:5], 0) + encode(SAMPLES[5:6], 5)[:9])
    decoder.reset()
    (run,) = decoder.feed(encode(SAMPLES[:5], 77))
    assert (run.lost, run.restart, len(run.samples)) == (0, False, 5)
    assert decoder.frames == 10


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (bytes(range(256)) * 4, "EMG_BAUD and EMG_FORMAT"),
        (encode(np.ones((20, 8), np.int16), 0), "hold 8 channels, and 4 are expected"),
        (b"".join(frame[:-1] + b"\x00" for frame in frames_of(SAMPLES[:20])), "wrong CRC"),
    ],
    ids=["noise", "channels", "crc"],
)
def test_the_complaint_names_what_is_wrong(stream: bytes, words: str) -> None:
    decoder, runs = decoded(stream)
    assert runs == []
    assert words in decoder.complaint


def test_a_counter_that_stands_still_is_complained_about() -> None:
    decoder = PacketDecoder(CHANNELS)
    decoder.feed(frames_of(SAMPLES[:1])[0] * 20)
    assert "stands still" in decoder.complaint


@pytest.mark.parametrize(
    ("shape", "per_frame"), [((5, 4), 2), ((0, 0), 1), ((2, 256), 1), ((300, 4), 300), ((100, 255), 100)]
)
def test_frames_that_cannot_be_are_not_made(shape: tuple[int, int], per_frame: int) -> None:
    with pytest.raises(ValueError, match="does not make frames"):
        encode(np.zeros(shape, np.int16), 0, per_frame)


def test_the_most_samples_of_a_frame_fit_into_it() -> None:
    for channels in (1, 8, 16, 255):
        most = most_samples(channels)
        assert len(encode(np.zeros((most, channels), np.int16), 0, most)) <= 4096 + FRAME_BYTES
    assert SYNC == b"\xa5\x5a"


@pytest.mark.parametrize("wrap", [256, 1000, 32768, 65536])
def test_the_counter_of_frames_wraps_anywhere(wrap: int) -> None:
    """A sketch that counts in a byte was a device that began anew every 256 frames."""
    decoder = PacketDecoder(2)
    kept = [n for n in range(70_000) if n % 1009 or wrap < 1000]
    frame = {n: encode(np.zeros((1, 2), np.int16), n % wrap) for n in kept}
    at = [
        run
        for first in range(0, len(kept), 500)
        for run in decoder.feed(b"".join(map(frame.get, kept[first : first + 500])))
    ]
    assert (decoder.restarts, decoder.repeated) == (0, 0)
    assert decoder.lost_samples == kept[-1] - kept[0] + 1 - len(kept)
    assert sum(len(run.samples) for run in at) == len(kept)
