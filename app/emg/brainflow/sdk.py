"""The two packages that know boards: BrainFlow, and MindRove's fork of it with the same interface. Their only home."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError

NO_BOARD = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """What differs between the two."""

    mode: str  # EMG_MODE
    title: str
    api: Any  # their module board_shim
    error: type[Exception]  # with an `exit_code`
    parameters: Callable[[], Any]
    prefix: str = ""  # that the names of its boards have in common

    @property
    def boards(self) -> Mapping[str, int]:
        """The boards' numbers by their names, such as CYTON_BOARD."""
        return {
            board.name.removeprefix(self.prefix): int(board)
            for board in self.api.BoardIds
            if board != NO_BOARD
        }

    def describe(self, board: int, preset: int = 0) -> Mapping[str, Any] | None:
        """Return the board's own description of one preset; None where it has none."""
        try:
            return dict(self.api.BoardShim.get_board_descr(board, preset))
        except self.error:
            return None

    def presets(self, board: int) -> tuple[int, ...]:
        """Return the presets that the board has: 0 is DEFAULT, 1 AUXILIARY, 2 ANCILLARY."""
        try:
            return tuple(sorted(map(int, self.api.BoardShim.get_board_presets(board))))
        except self.error:
            return (0,)


def load_brainflow() -> Sdk:
    """Return BrainFlow, with its library.

    Raises:
        ConfigError: it or its library is not there.
    """
    try:
        from brainflow import board_shim

        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # before Python 3.12 it looks for its library in an old way
            board_shim.BoardControllerDLL.get_instance()
    except (ImportError, OSError) as error:
        raise _absent("brainflow", error) from None
    board_shim.BoardShim.disable_board_logger()  # what it has to say, we say in one line
    return Sdk(
        mode="brainflow",
        title="BrainFlow",
        api=board_shim,
        error=board_shim.BrainFlowError,
        parameters=board_shim.BrainFlowInputParams,
    )


def load_mindrove() -> Sdk:
    """Return MindRove's SDK, with its library.

    Raises:
        ConfigError: it or its library is not there.
    """
    try:
        from mindrove import board_shim

        board_shim.BoardControllerDLL.get_instance()
    except (ImportError, OSError) as error:
        raise _absent("mindrove", error) from None
    board_shim.BoardShim.disable_board_logger()
    return Sdk(
        mode="mindrove",
        title="MindRove",
        api=board_shim,
        error=board_shim.MindRoveError,
        parameters=board_shim.MindRoveInputParams,
        prefix="MINDROVE_",
    )


LOADERS: Mapping[str, Callable[[], Sdk]] = {"brainflow": load_brainflow, "mindrove": load_mindrove}


def _absent(package: str, error: Exception) -> ConfigError:
    reason = str(error).partition(", did")[0]
    return ConfigError(f"EMG_MODE={package} needs {package} ({reason}): install requirements-devices.txt")
