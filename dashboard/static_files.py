"""The page's files, read once: what is not among them does not exist, however its path is written."""

from __future__ import annotations

from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "static"
START = "index.html"


class StaticFile(NamedTuple):
    """A file as it is served."""

    content: bytes
    content_type: str
    etag: str


def static_files(folder: Path = FOLDER) -> dict[str, StaticFile]:
    """Path below the folder, with slashes -> file."""
    return {
        path.relative_to(folder).as_posix(): _file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _file(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = guess_type(path.name)[0] or "application/octet-stream"
    kind = "text/javascript" if path.suffix in (".js", ".mjs") else kind  # some systems say something older
    charset = "; charset=utf-8" if kind.startswith("text/") or kind.endswith(("json", "xml")) else ""
    return StaticFile(content, kind + charset, f'"{sha256(content).hexdigest()[:32]}"')
