"""The memory that workers share, as workers with other code see it."""

from __future__ import annotations

import subprocess
import sys

from app.serving.counters.slot import SLOT_BYTES, Slot
from app.serving.counters.worker_group import board_for


def test_no_count_has_moved_since_0_3_0() -> None:
    """After a reload, old and new workers count side by side, and the master has the code of its own start."""
    places = {
        name: getattr(Slot, name).offset // 8 for name, _ in Slot._fields_ if not name.startswith("_room")
    }
    assert places == {
        "streams": 0,
        "stages": 3,
        "alive": 4096,
        "hub_lag": 4104,
        "sources": 4117,
        "engines": 5269,
        "requests": 5709,
        "outputs": 12621,
        "choice": 12741,  # since 0.4.0
        "swap": 13765,
        "swap_answer": 14789,
        "models": 14855,
        "jobs_left": 15680,
        "replay_order": 15681,
        "replay_state": 15685,
        "wish": 15690,
        "fleet": 15694,
        "fleet_trouble": 15696,
        "draining": 15697,
        "event_outputs": 15698,
        "callers": 16383,
        "reloaded": 20479,
    }


def test_what_is_cleared_of_one_worker_stays_of_the_others() -> None:
    memory = board_for(1)
    slots = Slot.all_of(memory)
    assert len(slots) * SLOT_BYTES == len(memory)
    for slot in slots:
        slot.doubles("alive")[0] = slot.doubles("outputs")[0] = 1.0
    slots[1].clear("alive")
    assert [slot.doubles("alive")[0] for slot in Slot.all_of(memory)] == [1.0, 0.0, 1.0, 1.0]
    assert [slot.doubles("outputs")[0] for slot in slots] == [1.0] * 4


def test_gunicorns_master_needs_no_numpy() -> None:
    """What it has imported, every worker that it forks has too, in the state that it was in."""
    script = (
        "import sys\nfrom app.serving.counters.shared_metrics import forget_worker\n"
        "from app.serving.counters.worker_group import board_for, forget_streams, mark_reloaded\n"
        "board = board_for(1)\nforget_streams(board, 0)\nforget_worker(board, 0)\nmark_reloaded(board, 0)\n"
        "sys.exit('numpy' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
