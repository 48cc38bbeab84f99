"""The index of all pages in a folder: one list for each folder below it, newest first."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

from reporting.page import page, paragraph, write_page

INDEX = "index.html"
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
HEAD_CHARS = 4_096  # within which a page has its title
NAMES = {
    "daily": "Days",
    "monthly": "Months",
    "weekly": "Weekly bot",
    "improvement": "Improvement",
    "research": "Research",
}


def write_index(folder: Path) -> Path:
    """Write `folder`/index.html over what pages are there now, and return it. Raises Misconfigured or OSError.

    The folder must be there.
    """
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/**/*.html"), key=lambda path: path.name, reverse=True):
        groups.setdefault(path.relative_to(folder).parts[0], []).append(path)
    order = [*(name for name in NAMES if name in groups), *sorted(groups.keys() - NAMES.keys())]
    sections = [(NAMES.get(name, name), _links(folder, groups[name])) for name in order]
    told = [("pages", f"{sum(map(len, groups.values())):,}")]
    write_page(folder / INDEX, page("Reports", told, sections or [("Nothing yet", paragraph("no page was written"))]))
    return folder / INDEX


def _links(folder: Path, paths: list[Path]) -> str:
    rows = "".join(_link(path.relative_to(folder), _title(path)) for path in paths)
    return f'<div class="wide"><table class="table">{rows}</table></div>'


def _link(path: Path, title: str) -> str:
    target = escape(quote(path.as_posix()), quote=True)
    return f'<tr><td><a href="{target}">{escape(title)}</a></td><td>{escape(path.name)}</td></tr>'


def _title(path: Path) -> str:
    """What a page calls itself, its file's name where it does not."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        found = TITLE.search(stream.read(HEAD_CHARS))
    return unescape(found[1]).strip() if found else path.stem
