"""The page's files fit each other and the program, as far as can be told without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from trading.rules import Rule, rule_name

STATIC = Path(__file__).resolve().parents[2] / "dashboard" / "static"
SCRIPTS = sorted((STATIC / "scripts").glob("*.js"))
IMPORT = re.compile(r'from "(\.[^"]+)"')
LOOKED_UP = re.compile(r'byId\("([\w-]+)"\)|sign\("([\w-]+)"')
REFUSALS = re.compile(r"const REFUSALS = \{.*?^\};", re.DOTALL | re.MULTILINE)


class Markup(HTMLParser):
    """What index.html has: ids, addresses, and whatever the content security policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.refused: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src") and (value or "").startswith("static/"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.refused.append(f"{tag} {name}")
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.refused.append(data.strip()[:40])


def markup() -> Markup:
    parsed = Markup()
    parsed.feed((STATIC / "index.html").read_text(encoding="utf-8"))
    return parsed


def test_page_has_nothing_inline() -> None:
    assert markup().refused == []


def test_every_file_that_the_page_names_is_there() -> None:
    missing = [address for address in markup().addresses if not (STATIC.parent / address).is_file()]
    for script in SCRIPTS:
        imported = IMPORT.findall(script.read_text(encoding="utf-8"))
        missing += [f"{script.name}: {name}" for name in imported if not (script.parent / name).is_file()]
    assert missing == []


def test_every_element_that_a_script_looks_up_is_on_the_page() -> None:
    ids = markup().ids
    assert sorted(ids) == sorted(set(ids))
    for script in SCRIPTS:
        looked_up = {one or other for one, other in LOOKED_UP.findall(script.read_text(encoding="utf-8"))}
        assert looked_up <= set(ids), script.name


def test_every_rule_is_told_in_words() -> None:
    source = (STATIC / "scripts" / "reasons.js").read_text(encoding="utf-8")
    found = REFUSALS.search(source)
    assert found is not None
    told = re.findall(r"^  (\w+): ", found.group(), re.MULTILINE)
    assert told == [rule_name(rule) for rule in Rule if rule is not Rule.APPROVED]


def test_what_others_wrote_has_its_licence() -> None:
    folders = [folder for folder in (STATIC / "vendor").iterdir() if folder.is_dir()]
    assert {folder.name for folder in folders} == {"inter", "lightweight-charts"}
    assert all((folder / "LICENSE").is_file() for folder in folders)
    assert "TradingView" in (STATIC / "vendor" / "lightweight-charts" / "NOTICE").read_text(encoding="utf-8")


def test_lines_are_no_longer_than_in_the_rest_of_the_house() -> None:
    ours = [STATIC / "index.html", *SCRIPTS, *sorted((STATIC / "styles").glob("*.css"))]
    lines = {file.name: file.read_text(encoding="utf-8").splitlines() for file in ours}
    assert [f"{name}: {line}" for name in lines for line in lines[name] if len(line) > 120] == []
