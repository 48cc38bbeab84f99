"""Prompts are documents, `Documentation/PROMPT_*.md`: the program sends what the reader reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from utils import Misconfigured

FOLDER = Path(__file__).resolve().parents[1] / "Documentation"

_VERSION = re.compile(r"^Version (\d+)\b", re.MULTILINE)
_SECTION = re.compile(r"^## (System|User)\n+```text\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
Message = tuple[str, str]  # role ("system" or "user"), text


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One document: name, version, and the two texts with their `$places`."""

    name: str
    version: int
    system: str
    user: str

    @property
    def purpose(self) -> str:
        """Name and version, as `llm_calls` keeps them."""
        return f"{self.name.lower()} v{self.version}"

    def messages(self, **places: str) -> tuple[Message, ...]:
        """The conversation. Raises KeyError when a place has no text. What is put in is not searched for places."""
        system = Template(self.system).substitute(places)
        return ("system", system), ("user", Template(self.user).substitute(places))


@cache
def load_prompt(name: str, folder: Path = FOLDER) -> Prompt:
    """`PROMPT_NAME.md`. Raises Misconfigured when it is missing or lacks its version or a section."""
    path = folder / f"PROMPT_{name}.md"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: the prompt cannot be read: {error.strerror}") from error
    version = _VERSION.search(text)
    sections = dict(_SECTION.findall(text))
    if version is None or sections.keys() != {"System", "User"}:
        raise Misconfigured(f"{path}: a prompt has a line 'Version N' and the sections System and User, each one text")
    return Prompt(name=name, version=int(version[1]), system=sections["System"], user=sections["User"])
