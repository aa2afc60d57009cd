"""Write docs/licences.md: the licence of every direct requirement, as its own package declares it.

    python .ci/licences.py

Run it in an environment with all of requirements*.txt; what is not installed says so in the list.
"""

from __future__ import annotations

from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
HEAD = """# Licences of what Myostream uses

Every direct requirement and the licence that its package declares, with its version where this list was made. Made by
`python .ci/licences.py`; do not edit by hand. It is no legal advice, and what these packages require in turn is not
in it (`pip install pip-licenses && pip-licenses` lists an environment whole). Myostream itself has the MIT licence.

| package | version | licence | required by |
| --- | --- | --- | --- |
"""


def direct() -> dict[str, str]:
    """Each direct requirement and the first file that asks for it, in the order of the files."""
    found: dict[str, str] = {}
    for path in sorted(ROOT.glob("requirements*.txt"), key=lambda path: (len(path.name), path.name)):
        for line in path.read_text(encoding="utf-8").splitlines():
            asked = line.partition("#")[0].strip()
            if asked and not asked.startswith("-"):
                found.setdefault(Requirement(asked).name, path.name)
    return found


def licence(about: PackageMetadata) -> str:
    """The SPDX expression, else the classifiers, else the first line of the free text."""
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rsplit(" :: ", 1)[1]
        for line in about.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    named = [name for name in classifiers if name != "OSI Approved"]
    text = str(about.get("License") or "").strip().splitlines()
    return ", ".join(named) or (text[0] if text else f"not declared; see <{home(about)}>")


def home(about: PackageMetadata) -> str:
    """The package's own page, else the registry's."""
    urls = [url.split(", ", 1)[1] for url in about.get_all("Project-URL") or []]
    return str(about.get("Home-page") or (urls or [f"https://pypi.org/project/{about['Name']}/"])[0])


def row(name: str, file: str) -> str:
    """Return the package's row of the table."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return f"| {name} | not installed | see its page on PyPI | {file} |"
    return f"| {name} | {about['Version']} | {licence(about)} | {file} |"


if __name__ == "__main__":
    PAGE.write_text(
        HEAD + "\n".join(row(name, file) for name, file in direct().items()) + "\n", encoding="utf-8"
    )
