"""Pages: self-contained, well-formed, replaced in one step."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from reporting.page import page, paragraph, table, write_page
from utils import Misconfigured


def test_a_page_is_well_formed_and_escapes_what_it_is_told() -> None:
    parts = [("A <heading>", table(["name", "why"], [["<a>", "b & c"]], texts=["why"]) + paragraph("<p>", quiet=True))]
    html = page("<Title>", [("fact", "<value>")], parts, ["<warning>"])
    body = ElementTree.fromstring(html[html.index("<body>") : html.index("</html>")])
    texts = [text for text in body.itertext() if text.strip()]
    assert texts == ["<Title>", "fact", "<value>", "<warning>", "A <heading>", "name", "why", "<a>", "b & c", "<p>"]


def test_a_page_needs_nothing_from_outside() -> None:
    html = page("Title", [], [])
    for forbidden in ("http", "<script", "src=", "@import", "url("):
        assert forbidden not in html


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", "<p>")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    with pytest.raises(Misconfigured, match="No such file"):
        write_page(tmp_path / "missing" / "a.html", "<p>")
