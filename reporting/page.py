"""A self-contained HTML page: headings, tables and pictures; light or dark, on a phone, on paper. No script."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from utils import Misconfigured

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --quiet: #5c6878; --paper: #fff; --soft: #e3e8ee; --tint: #f5f7fa;
  --up: #1a8c50; --down: #be3c32; --warn: #9a6200;
  --c0: #2563a8; --c1: #d9822b; --c2: #3f9c6b; --c3: #8e5bb5; --c4: #c2504a;
  --c5: #2b9bb3; --c6: #b8963b; --c7: #d073a6; --c8: #6b7d94; --c9: #9fb8d0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --quiet: #9aa7b8; --paper: #12161c; --soft: #2c343e;
  --tint: #191f27; --up: #3fba7a; --down: #e8695e; --warn: #e0a94a;
  --c0: #6aa6e8; --c1: #eda35a; --c2: #62c08e; --c3: #b48bdb; --c4: #e67c75;
  --c5: #5cc3d9; --c6: #d6ba6a; --c7: #e79cc5; --c8: #94a5ba; --c9: #4d6b8a; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 960px;
  margin: 0 auto; padding: 1.5rem 1rem 3rem; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
p { margin: .4rem 0; } .quiet { color: var(--quiet); }
.notes { list-style: none; padding: 0; margin: .8rem 0; }
.notes li { border-left: 3px solid var(--warn); background: var(--tint); padding: .35rem .7rem; margin: .3rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 500; } .table { width: 100%; font-size: .92rem; }
.table td, .table th { border-bottom: 1px solid var(--soft); white-space: nowrap; text-align: right; }
.table td:first-child, .table th:first-child { text-align: left; }
.table td:first-child { white-space: normal; min-width: 6rem; }
.table .text { text-align: left; white-space: normal; min-width: 12rem; }
.facts td:first-child { color: var(--quiet); } .heat td, .heat th { padding: .25rem .5rem; text-align: center; }
figure { margin: .4rem 0 1rem; break-inside: avoid; }
.plot { display: grid; grid-template-columns: max-content 1fr; column-gap: .5rem; row-gap: .25rem; }
.plot svg { width: 100%; height: clamp(170px, 30vw, 260px); display: block; overflow: visible; }
.plot .legend { grid-column: 1 / -1; font-size: .82rem; display: flex; flex-wrap: wrap; gap: .1rem .9rem; }
.legend span::before { content: ""; display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .35em; background: var(--tone); vertical-align: -.05em; }
.plot .unit { grid-column: 1 / -1; margin-bottom: .35rem; } .unit:empty { display: none; }
.unit, .heights, .below { font-size: 12px; line-height: 1; color: var(--quiet); }
.heights { display: flex; flex-direction: column; justify-content: space-between; text-align: right; margin: -6px 0; }
.plot .below { grid-column: 2; display: flex; justify-content: space-between; gap: .5rem; white-space: nowrap; }
.c0 { --tone: var(--c0); } .c1 { --tone: var(--c1); } .c2 { --tone: var(--c2); } .c3 { --tone: var(--c3); }
.c4 { --tone: var(--c4); } .c5 { --tone: var(--c5); } .c6 { --tone: var(--c6); } .c7 { --tone: var(--c7); }
.c8 { --tone: var(--c8); } .c9 { --tone: var(--c9); }
.plot path { fill: none; vector-effect: non-scaling-stroke; }
.plot .line { stroke: var(--tone); stroke-width: 1.7; stroke-linejoin: round; } .plot .layer { fill: var(--tone); }
.plot .area { fill: var(--c0); opacity: .18; } .grid { stroke: var(--soft); } .zero { stroke: var(--quiet); }
.plot .fair { stroke: var(--quiet); stroke-dasharray: 5 5; } .whisker { stroke: var(--c0); opacity: .5; }
.plot .dot { stroke: var(--c0); stroke-width: 8; stroke-linecap: round; }
.plot .dot.up { stroke: var(--up); } .plot .dot.down { stroke: var(--down); }
rect.up { fill: var(--up); } rect.down { fill: var(--down); } rect.amount { fill: var(--c0); }
b.up { color: var(--up); } b.down { color: var(--down); }
.rows { display: grid; grid-template-columns: fit-content(40%) 1fr max-content; gap: .15rem .6rem; align-items: center;
  font-size: .85rem; } .rows svg { width: 100%; height: .9rem; display: block; } .rows span:nth-child(3n) {
  text-align: right; }
@media (max-width: 540px) { body { font-size: 14px; } td, th { padding-right: .6rem; }
  .table td:first-child { white-space: normal; }
  .below span:nth-child(even) { display: none; } }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } }
"""

Section = tuple[str, str]  # a heading, and the HTML below it


def page(title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], notes: Sequence[str] = ()) -> str:
    """HTML of a title, facts as a table of two columns, warnings, and sections under their headings."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts)
    told = f'<h1>{escape(title)}</h1><table class="facts">{rows}</table>{warnings(notes)}'
    body = "".join(f"<section><h2>{escape(heading)}</h2>{html}</section>" for heading, html in sections)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(title)}</title><style>{STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{told}{body}</body></html>\n'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str] = ()) -> str:
    """A table that scrolls sideways where it must. First column left, others right; `texts` names columns of prose."""
    kinds = [' class="text"' if name in texts else "" for name in head]
    top = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(head, kinds, strict=True))
    lines = ["".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table class="table"><tr>{top}</tr>{body}</table></div>'


def paragraph(text: str, *, quiet: bool = False) -> str:
    """A paragraph of plain text."""
    kind = ' class="quiet"' if quiet else ""
    return f"<p{kind}>{escape(text)}</p>"


def warnings(notes: Sequence[str]) -> str:
    """A list of lines that should be seen; nothing when there are none."""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>' if notes else ""


def write_page(path: Path, html: str) -> None:
    """Replace `path` in one step. Raises Misconfigured when it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(html, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Misconfigured(f"{path}: {error.strerror}") from error
