"""Rows put aside on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.emg.recording import spool
from app.emg.recording.spool import Spool


def test_what_is_put_aside_comes_back_in_order_and_leaves_no_file(tmp_path: Path) -> None:
    rows = np.arange(3 * spool.IN_MEMORY // 8)
    kept = Spool(tmp_path, np.int64)
    for part in np.array_split(rows, 1000):
        kept.append(part)
    assert len(kept) == len(rows)
    assert np.array_equal(np.concatenate(list(kept.pieces())), rows)
    assert kept.read(7, 3).tolist() == [7, 8, 9]
    kept.append([1, 2])
    assert kept.read(len(rows), 10).tolist() == [1, 2]
    assert list(tmp_path.iterdir()) == []
    kept.close()
    kept.close()


def test_rows_of_several_columns(tmp_path: Path) -> None:
    kept = Spool(tmp_path, [("at", "<i8"), ("sure", "<f4")])
    kept.append((5, 0.5))
    kept.append((6, 0.25))
    assert kept.read(0, 2)["sure"].tolist() == [0.5, 0.25]
    kept.close()
