"""`flask --app wsgi emg ports|simulate|record|import|check|learn|actions`: devices, and their signals.

Each command has a file of its own, `emg_<command>.py`, and joins the group here.
"""

from __future__ import annotations

from flask.cli import AppGroup

from app.cli.emg_actions import actions
from app.cli.emg_check import check
from app.cli.emg_import import import_
from app.cli.emg_ports import ports
from app.cli.emg_record import record
from app.cli.emg_simulate import simulate
from app.cli.learn.command import learn

emg = AppGroup(
    "emg",
    help="Look for devices, simulate one, record, learn from and check what they deliver, import files.",
)

for command in (ports, simulate, check, record, learn, import_, actions):
    emg.add_command(command)
