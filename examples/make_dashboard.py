"""Writes examples/dashboard.html: the dashboard as one file, which connects to the server that you name.

A browser loads no modules from `file://`, so all of them, the style sheet and the icon are put into the page; its own
policy lets nothing else run. The server must allow the page's origin: `EMG_CORS_ORIGINS=*`, or the address that the
file is served from.

    python examples/make_dashboard.py            write it
    python examples/make_dashboard.py --check    say whether it is as the modules are
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
PAGE = ROOT / "examples" / "dashboard.html"
ENTRY = "dashboard.js"
IMPORT = re.compile(r'^import \{([^}]+)\} from "\./([\w.]+)";\n', re.MULTILINE)
REEXPORT = re.compile(r'^export \{([^}]+)\} from "\./([\w.]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    page = build()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE.relative_to(ROOT)} is stale: run python examples/make_dashboard.py")


def build() -> str:
    """The page."""
    script, style = bundle(ENTRY), stylesheet()
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
    environment = Environment(loader=FileSystemLoader(ROOT / "templates"), keep_trailing_newline=True)
    page = environment.get_template("dashboard.html").render(
        standalone=True, url_for=lambda _, filename: filename
    )
    parts = {
        '<meta charset="utf-8">\n': f'<meta charset="utf-8">\n'
        f"<!-- Made by examples/make_dashboard.py: change app/static and templates, not this. -->\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        'href="icon.svg"': f'href="data:image/svg+xml;base64,{icon}"',
        '<link rel="stylesheet" href="dashboard.css">': f"<style>{style}</style>",
        f'<script type="module" src="{ENTRY}"></script>': f'<script type="module">{script}</script>',
    }
    for found, put in parts.items():
        if page.count(found) != 1:
            raise SystemExit(f"templates/dashboard.html must have {found!r} once")
        page = page.replace(found, put)
    return page


def bundle(entry: str) -> str:
    """All modules, each a function that gives its exports, in an order in which each finds what it imports."""
    order: list[str] = []
    sources: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in sources:
            return
        sources[name] = (STATIC / name).read_text(encoding="utf-8")
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
