from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.signal.channel_choice import parse_channels, written
from app.errors import DataError


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("1-8", (0, 1, 2, 3, 4, 5, 6, 7)),
        ("3,1,2", (2, 0, 1)),
        ("1-3,9-10,5", (0, 1, 2, 8, 9, 4)),
        ("4-1", (3, 2, 1, 0)),
        (" 2 , 4 - 6 ", (1, 3, 4, 5)),
        ("16", (15,)),
        ("7-7", (6,)),
    ],
)
def test_channels_are_chosen_in_the_order_in_which_they_are_written(
    text: str, columns: tuple[int, ...]
) -> None:
    assert parse_channels(text, 16) == columns


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "EMG_CHANNELS is empty: say which channels, such as 1-8 or 3,1,2"),
        ("  ", "EMG_CHANNELS is empty"),
        ("0-7", "EMG_CHANNELS=0-7: channels are counted from 1, there is no channel 0"),
        ("3,0", "there is no channel 0"),
        ("1-17", "EMG_CHANNELS=1-17: there is no channel 17, the source has 16"),
        ("1-99999999", "there is no channel 99999999, the source has 16"),
        ("9" * 40, "is neither a channel nor a range"),
        ("1-4,3", "EMG_CHANNELS=1-4,3: channel 3 is there twice"),
        ("1,,2", "'' is neither a channel nor a range; say it as in 1-8 or 3,1,2"),
        ("1;2", "'1;2' is neither a channel nor a range"),
        ("1-2-3", "'1-2-3' is neither"),
        ("-3", "'-3' is neither"),
        ("1.5", "'1.5' is neither"),
        ("\u0661", "is neither"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_that_says_why(text: str, says: str) -> None:
    with pytest.raises(DataError) as refused:
        parse_channels(text, 16)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_a_source_there_is_still_a_limit() -> None:
    assert parse_channels("1024") == (1023,)
    with pytest.raises(DataError, match="there is no channel 1025, a source has at most 1024"):
        parse_channels("1-1025")


@given(st.lists(st.integers(0, 99), min_size=1, unique=True).map(tuple))
def test_what_is_written_chooses_the_same(columns: tuple[int, ...]) -> None:
    assert parse_channels(written(columns), 100) == columns
