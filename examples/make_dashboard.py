"""Writes examples/dashboard.html and examples/game.html: each a page as one file, for the server that you name.

A browser loads no modules from `file://`, so all of them, the style sheet and the icon are put into the page; its own
policy lets nothing else run. The server must allow the page's origin: `EMG_CORS_ORIGINS=*`, or the address that the
file is served from.

    python examples/make_dashboard.py            write them
    python examples/make_dashboard.py --check    say whether they are as the modules are
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "app" / "static"
GAME = ROOT / "examples" / "game"
PAGE = ROOT / "examples" / "dashboard.html"
GAME_PAGE = ROOT / "examples" / "game.html"
ENTRY = "dashboard.js"
IMPORT = re.compile(r'^import \{([^}]+)\} from "\./([\w.]+)";\n', re.MULTILINE)
REEXPORT = re.compile(r'^export \{([^}]+)\} from "\./([\w.]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    pages = {PAGE: build(), GAME_PAGE: build_game()}
    if not parser.parse_args().check:
        for path, page in pages.items():
            path.write_text(page, encoding="utf-8")
        return
    stale = [path for path, page in pages.items() if path.read_text(encoding="utf-8") != page]
    if stale:
        names = " and ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"{names} is stale: run python examples/make_dashboard.py")


def build() -> str:
    """The dashboard."""
    environment = Environment(loader=FileSystemLoader(ROOT / "templates"), keep_trailing_newline=True)
    page = environment.get_template("dashboard.html").render(
        standalone=True, url_for=lambda _, filename: filename
    )
    return whole(page, bundle(ENTRY), stylesheet(), ENTRY, "dashboard.css", "app/static and templates")


def build_game() -> str:
    """The game: its modules, and what they use of the client's."""
    style = (GAME / "style.css").read_text(encoding="utf-8")
    page = (GAME / "page.html").read_text(encoding="utf-8")
    return whole(page, bundle("play.js", (GAME, STATIC)), style, "play.js", "style.css", "examples/game")


def whole(page: str, script: str, style: str, entry: str, sheet: str, source: str) -> str:
    """The page with its script, style and icon in it, and a policy that lets nothing else run."""
    icon = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{digest(script)}'",
            f"style-src '{digest(style)}'",
            "img-src data:",
            "connect-src http: https:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        '<meta charset="utf-8">\n': f'<meta charset="utf-8">\n'
        f"<!-- Made by examples/make_dashboard.py: change {source}, not this. -->\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        'href="icon.svg"': f'href="data:image/svg+xml;base64,{icon}"',
        f'<link rel="stylesheet" href="{sheet}">': f"<style>{style}</style>",
        f'<script type="module" src="{entry}"></script>': f'<script type="module">{script}</script>',
    }
    for found, put in parts.items():
        if page.count(found) != 1:
            raise SystemExit(f"the page must have {found!r} once")
        page = page.replace(found, put)
    return page


def bundle(entry: str, folders: tuple[Path, ...] = (STATIC,)) -> str:
    """All modules, each a function that gives its exports, in an order in which each finds what it imports."""
    order: list[str] = []
    sources: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in sources:
            return
        path = next(folder / name for folder in folders if (folder / name).is_file())
        sources[name] = path.read_text(encoding="utf-8")
        for _, needed in (*IMPORT.findall(sources[name]), *REEXPORT.findall(sources[name])):
            visit(needed)
        order.append(name)

    visit(entry)
    return "\nconst modules = {};\n" + "".join(wrapped(name, sources[name]) for name in order)


def wrapped(name: str, source: str) -> str:
    """One module. Only named imports and exports are understood, which is all that the modules use."""
    exports = [*EXPORT.findall(source)]
    passed = [
        f"...(({{ {names} }}) => ({{ {names} }}))(modules[{needed!r}])"
        for names, needed in ((" ".join(n.split()), f) for n, f in REEXPORT.findall(source))
    ]
    source = REEXPORT.sub("", source)
    source = IMPORT.sub(
        lambda found: f"const {{{found[1].replace(' as ', ': ')}}} = modules[{found[2]!r}];\n", source
    )
    source = re.sub(r"^export ", "", source, flags=re.MULTILINE)
    if left := re.findall(r"^(?:import|export)\b.*", source, flags=re.MULTILINE):
        raise SystemExit(f"{name}: cannot bundle {left[0]!r}")
    if "</script" in source:
        raise SystemExit(f"{name}: a script element would end there")
    return (
        f"modules[{name!r}] = (() => {{\n{source}\nreturn {{ {', '.join([*exports, *passed])} }};\n}})();\n"
    )


def stylesheet() -> str:
    """Without the font, which is larger than all the rest; the system's own stands in."""
    return re.sub(r"@font-face \{.*?\}\n", "", (STATIC / "dashboard.css").read_text("utf-8"), flags=re.DOTALL)


def digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


if __name__ == "__main__":
    main()
