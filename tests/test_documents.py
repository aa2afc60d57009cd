"""The pages for people: every link leads somewhere, and every page can be found from the README."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import benchmarks.report
from app import create_app
from app.api.access.access import scope_of
from app.config import ROOT, Settings
from app.keys import SCOPES
from tests.test_project import tracked

README = ROOT / "README.md"
README_LINES = 150  # a page that is read, not searched


def prose(path: Path) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```[\s\S]*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The fragments by which GitHub reaches the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(path), flags=re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(next(name for name in _numbered(slug) if name not in found))
    return found


def _numbered(slug: str) -> Iterator[str]:
    yield slug
    for number in range(1, 100):
        yield f"{slug}-{number}"


def links(path: Path) -> list[str]:
    """Where the page's links and pictures lead, but for other sites."""
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", prose(path))
    return [link for link in found if not re.match(r"[a-z][a-z0-9+.-]*:", link)]


def dead(path: Path) -> list[str]:
    """Links to a file or heading that is not there."""
    found = []
    for link in links(path):
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (fragment and fragment not in anchors(target)):
            found.append(f"{path.relative_to(ROOT)}: {link}")
    return found


def test_every_link_between_pages_leads_somewhere() -> None:
    assert [link for path in tracked("*.md") for link in dead(path)] == []


def test_every_page_of_docs_is_in_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    pages = [path for path in tracked("docs/*.md") if path.parent.name == "docs"]
    assert [path.name for path in pages if path not in linked] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LINES


def commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    """Every command of ours, such as `emg ports`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def all_commands(group: click.Group) -> Iterator[click.Command]:
    """Every command of ours; `openapi` is flask-smorest's."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from () if command.name == "openapi" else all_commands(command)
        else:
            yield command


def test_every_command_and_every_option_says_what_it_is() -> None:
    ours = list(all_commands(create_app(settings=Settings()).cli))
    silent = [
        f"{command.name} {option.opts[0]}"
        for command in ours
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []
    assert all(command.help for command in ours)


def test_the_page_of_commands_has_a_row_for_every_command_and_no_other() -> None:
    """`flask run` is Flask's."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `flask --app wsgi ([a-z ]+)` \|", text, flags=re.MULTILINE)
    ours = {name for name in commands(create_app(settings=Settings()).cli) if not name.startswith("openapi ")}
    assert sorted(rows) == sorted({*ours, "run"})


def test_every_key_that_a_page_has_made_opens_what_it_is_named_for() -> None:
    """`keys new dashboard` made a key that could neither record nor download."""
    app = create_app(settings=Settings())
    called = {
        "recordings.start",
        "recordings.download",
        "recordings.delete",
        "health.health",
        "streaming.stream",
    }
    needed = {scope_of(app, endpoint) for endpoint in called}
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    pages = [README, *(ROOT / "docs").glob("*.md"), *deployed, ROOT / ".env.example"]
    made = [
        (path.name, name, set(scopes.split(",")))
        for path in pages
        for name, scopes in re.findall(
            r"flask --app wsgi keys new (\w+)(?: --scopes ([\w,]+))?", path.read_text(encoding="utf-8")
        )
    ]
    assert [(page, name) for page, name, scopes in made if not scopes <= set(SCOPES)] == []
    of_dashboards = [(page, scopes) for page, name, scopes in made if name == "dashboard"]
    assert {page for page, _ in of_dashboards} >= {"security.md", "deployment.md", "README.md"}
    assert [page for page, scopes in of_dashboards if not needed <= scopes] == []


def test_the_page_of_the_api_has_every_route() -> None:
    """`/infer/<backend>` stands in it by name, and files and the description's assets do not."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    passed_over = ("static", "swagger_ui", "api-docs.openapi_swagger_ui", "api-docs.openapi_json")
    rules = create_app(settings=Settings()).url_map.iter_rules()
    routes = {re.sub(r"<\w+:", "<", rule.rule) for rule in rules if not rule.endpoint.startswith(passed_over)}
    named = set(re.findall(r"(?<![\w.])(?:/[\w<>.]*)+", text))
    assert sorted(routes - named) == []


def test_the_page_of_benchmarks_is_what_make_bench_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What somebody wrote into it by hand would be gone with the next measurement."""
    monkeypatch.setattr(benchmarks.report, "DOCS", tmp_path)
    benchmarks.report.write(json.loads((ROOT / "benchmarks" / "results.json").read_text()))
    written = (tmp_path / "benchmarks.md").read_text()
    assert (ROOT / "docs" / "benchmarks.md").read_text() == written


@pytest.mark.parametrize(
    ("heading", "fragment"),
    [
        ("Where decisions go: LSL and `UDP`", "where-decisions-go-lsl-and-udp"),
        ("`GET /infer/stream`, and the rest", "get-inferstream-and-the-rest"),
        ("A [link](x.md)", "a-link"),
        ("Same", "same-1"),
    ],
)
def test_anchors_are_those_of_github(heading: str, fragment: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Same\n\n## {heading}\n\n```sh\n# no heading\n```\n")
    assert fragment in anchors(page)
    assert "no-heading" not in anchors(page)
