"""Options in messages: as the command has them, and as parameters over HTTP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.counted import counted, verb
from app.emg.files.loading import load_imported
from app.emg.files.option_words import as_parameters
from app.errors import DataError


@pytest.mark.parametrize(
    ("said", "over_http"),
    [
        ("no header says it; --rate says it in Hz", "no header says it; rate= says it in Hz"),
        ("--emg says which are, such as --emg 2-9", "emg= says which are, such as emg=2-9"),
        ("such as --emg 3,1,2; or another", "such as emg=3,1,2; or another"),
        ("--emg 'emg(1)' takes one", "emg='emg(1)' takes one"),
        ("--label data.cue takes them", "label=data.cue takes them"),
        ("--time none and --rate HZ say", "time=none and rate=HZ say"),
        ("--label none, or another column, overrides", "label=none, or another column, overrides"),
        ("--rest banana: the gestures are", "rest=banana: the gestures are"),
        ("such as --emg Armband:1-256", "such as emg=Armband:1-256"),
        ("give it with --rate, in Hz", "give it with rate=, in Hz"),
        ("--gestures names those.", "gestures= names those."),
        ("too long for BDF+; take --format npz", "too long for BDF+; take format=npz"),
        (
            "Build it with `flask --app wsgi engine build --name x`",
            "Build it with `flask --app wsgi engine build --name x`",
        ),
        ("no option at all", "no option at all"),
    ],
)
def test_options_are_parameters_over_http(said: str, over_http: str) -> None:
    assert as_parameters(said) == over_http


def test_a_setting_has_no_options_and_the_command_that_has_is_said(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.csv", np.random.default_rng(1).normal(size=(100, 3)), delimiter=",")
    with pytest.raises(DataError, match=r"--rate says it in Hz; `flask --app wsgi emg import` takes options"):
        load_imported(tmp_path / "a.csv")


def test_one_thing_is_no_plural() -> None:
    assert (counted(1, "gap"), counted(0, "gap"), counted(2, "gap")) == ("1 gap", "0 gaps", "2 gaps")
    assert (counted(2, "class", "classes"), verb(1, "is", "are"), verb(2, "is", "are")) == (
        "2 classes",
        "is",
        "are",
    )
