from __future__ import annotations

import pytest

from app.emg.brainflow.board_names import board_id
from app.errors import ConfigError

KNOWN = {"SYNTHETIC_BOARD": -1, "CYTON_BOARD": 0, "CYTON_DAISY_BOARD": 2, "NEUROPAWN_KNIGHT_BOARD_IMU": 66}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("synthetic", -1),
        ("SYNTHETIC_BOARD", -1),
        ("-1", -1),
        (" 0 ", 0),
        ("Cyton-Daisy", 2),
        ("cyton daisy", 2),
        ("neuropawn_knight_board_imu", 66),
    ],
)
def test_a_board_is_named_by_its_number_or_its_name_in_any_spelling(text: str, number: int) -> None:
    assert board_id(text, KNOWN) == number


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("synthetc", "did you mean synthetic?"),
        ("citon", "did you mean cyton"),
        ("toaster", "it knows synthetic, cyton, cyton_daisy"),
        ("99", "EMG_BOARD=99: BrainFlow knows no board of that number"),
        ("--1", "knows no"),
        ("1.5", "knows no"),
    ],
)
def test_another_is_refused_with_those_that_look_like_it(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("?", r"\?")):
        board_id(text, KNOWN)
