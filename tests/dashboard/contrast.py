"""How far the colours of the page's words stand out from those of their grounds."""

from __future__ import annotations

from playwright.sync_api import Page

WORDS = ("text", "muted", "accent", "gain", "loss", "warn")
GROUNDS = ("surface", "raised", "ground")
PAIRS = [(word, ground) for word in WORDS for ground in GROUNDS] + [
    *((tone, f"{tone}-soft") for tone in ("accent", "gain", "loss", "warn", "simulated", "paper")),
    *(("text", f"{tone}-soft") for tone in ("accent", "gain", "loss", "warn")),
    ("on-live", "live"),
    ("muted", "accent-soft"),
]
RESOLVED = """names => {
    const probe = document.body.appendChild(document.createElement("i"));
    const found = names.map((name) => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    });
    probe.remove();
    return found;
}"""


def contrasts(page: Page) -> dict[tuple[str, str], float]:
    """(token of the words, token of the ground) -> contrast, in the page's present theme."""
    names = sorted({name for pair in PAIRS for name in pair})
    colours = dict(zip(names, page.evaluate(RESOLVED, names), strict=True))
    return {(word, ground): round(contrast(colours[word], colours[ground]), 2) for word, ground in PAIRS}


def contrast(one: list[float], other: list[float]) -> float:
    """WCAG 2.2: from 1 to 21."""

    def luminance(colour: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
