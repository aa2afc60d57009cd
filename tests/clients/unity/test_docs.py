"""The C# that docs/clients.md prints compiles against the client, each block as a method of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app.config import ROOT
from tests.clients.unity.built import JSON_LIBRARY, NEEDS_MONO

BLOCKS = re.findall(
    r"^```csharp\n(.*?)^```", (ROOT / "docs" / "clients.md").read_text(), re.MULTILINE | re.DOTALL
)
FRAME = """
using System;
using System.Threading;
using System.Threading.Tasks;
using Myostream;
using Newtonsoft.Json.Linq;
using UnityEngine;

class Printed
{{
    static void Follow(GestureEvent gesture) {{ }}
    static async Task Run(MyostreamClient client, CancellationToken leave)
    {{
        await Task.Yield();
        {block}
    }}
}}
"""


@NEEDS_MONO
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_what_is_printed_compiles(program: Path, tmp_path: Path, block: str) -> None:
    source = tmp_path / "Printed.cs"
    source.write_text(FRAME.format(block=block))
    library = [f"-r:{program}", "-r:System.Net.Http.dll", f"-r:{JSON_LIBRARY}"]
    command = ["mcs", "-langversion:7", "-target:library", f"-out:{tmp_path / 'Printed.dll'}", *library]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_something_printed() -> None:
    assert len(BLOCKS) >= 2
