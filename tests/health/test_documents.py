"""The table of thresholds that users read is the one that the program uses."""

from __future__ import annotations

from health.findings import NEVER, THRESHOLDS, Threshold
from tests.simulated_runs import ROOT

HEALTH = ROOT / "Documentation" / "HEALTH.md"


def limit_text(value: float, threshold: Threshold) -> str:
    if value == NEVER:
        return "never"
    return f"{'below ' * threshold.is_floor}{value:g} {threshold.unit}".strip()


def test_the_documented_thresholds_are_those_in_force() -> None:
    wanted = [
        f"| `{measure}` | {limit_text(threshold.warning, threshold)} | {limit_text(threshold.critical, threshold)} "
        f"| {'yes' * threshold.of_machine} | {', '.join(threshold.ladder)} | {'yes' * threshold.pauses} |"
        for measure, threshold in THRESHOLDS.items()
    ]
    table = HEALTH.read_text(encoding="utf-8").split("<!-- thresholds -->")[1].split("<!-- end -->")[0]
    assert table.strip().splitlines()[2:] == wanted
