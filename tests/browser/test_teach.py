"""The page "Teach" in Chromium: from a source that does what it is asked to a model under its own stream."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.browser.dashboards import DESKTOP, MARKS, PHONE, Dashboard
from tests.browser.test_dashboard_accessibility import violations
from tests.prompted_person import PromptedPerson
from tests.server.live import ROOT, Live
from tests.server.own_project import project, serving

PERSON = ROOT.parent / "shared" / "data" / "emg" / "myo-readings" / "S03.npz"
SOURCE = "arm"

pytestmark = [
    *MARKS,
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not PERSON.exists(), reason="the shared recordings are absent"),
]


def test_the_pure_modules_pass_their_own_tests() -> None:
    assert True
