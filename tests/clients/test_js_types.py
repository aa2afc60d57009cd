"""The declarations of the JavaScript client, by the TypeScript of deno, which bids-validator-deno brings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import ROOT

CLIENT = ROOT / "clients" / "js"
USES = Path(__file__).parent / "js_types"
DENO = shutil.which("deno", path=str(Path(sys.executable).parent)) or shutil.which("deno")
BROWSER = ["esnext", "dom", "dom.iterable", "dom.asynciterable"]
STRICT = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "lib": BROWSER,
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

pytestmark = pytest.mark.skipif(DENO is None, reason="deno is not installed (requirements-dev.txt brings it)")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project, into which the client was installed as npm does, and its modules as they are beside it."""
    made = tmp_path / "project"
    shutil.copytree(USES, made)
    shutil.copytree(CLIENT, tmp_path / "js")
    shutil.copytree(CLIENT, made / "node_modules" / "myostream-client")
    (made / "package.json").write_text(json.dumps({"dependencies": {"myostream-client": "*"}}))
    settings = {"nodeModulesDir": "manual", "compilerOptions": STRICT}
    (made / "deno.json").write_text(json.dumps(settings))
    return made


def complaints(project: Path, *files: str) -> str:
    """What the compiler has against them; nothing is fetched."""
    assert DENO is not None
    command = [DENO, "check", "--no-remote", "--no-lock", *files]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)
    said = COLOUR.sub("", done.stderr)
    assert (done.returncode == 0) == ("ERROR" not in said), said
    return said if done.returncode else ""


def test_every_public_call_is_typed_as_people_use_it(project: Path) -> None:
    assert complaints(project, "uses.ts") == ""


def test_what_the_modules_export_and_take_is_what_is_declared(project: Path) -> None:
    assert complaints(project, "same.ts") == ""


def test_an_export_or_an_option_without_a_declaration_is_found(project: Path) -> None:
    """Or this file would prove nothing."""
    module = project.parent / "js" / "client.js"
    module.write_text(
        module.read_text().replace("export { eventSource }", "export { eventSource, eventSource as told }")
    )
    replay = project.parent / "js" / "replay_position.js"
    replay.write_text(
        replay.read_text().replace("[call.positionS] ", "[call.hurry]\n * @param {number} [call.positionS] ")
    )
    said = complaints(project, "same.ts")
    assert "differs: told" in said
    assert "differs: hurry" in said


def test_declarations_are_sound_by_themselves(project: Path) -> None:
    installed = sorted((project / "node_modules" / "myostream-client").glob("*.d.ts"))
    assert len(installed) >= 2
    types = project / "types.ts"
    lines = [
        f'export type * as {path.name.split(".")[0]} from "myostream-client/{path.name[:-5]}.js";'
        for path in installed
    ]
    types.write_text("\n".join(lines))
    assert complaints(project, "types.ts") == ""
    for path in installed:  # no "any" by omission, which the compiler takes for meant in a declaration
        assert not re.search(r"[:<|,] *any\b", path.read_text()), path.name
