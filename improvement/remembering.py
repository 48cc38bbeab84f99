"""The memory of the cycle as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evidence.plain import plain
from improvement.decision import Memory
from improvement.experiment import Experiment
from improvement.parameters import ParameterSet
from improvement.probation import Probation


def memory_to_json(memory: Memory) -> dict[str, Any]:
    """A memory as values that JSON can say; the same memory gives the same JSON."""
    return {
        "sessions": memory.sessions,
        "trials": sorted(memory.trials),
        "barred": dict(sorted(memory.barred.items())),
        "slot_free_at": memory.slot_free_at,
        "probation": plain(memory.probation),
        "experiment": plain(memory.experiment),
    }


def memory_from_json(known: Mapping[str, Any]) -> Memory:
    """What `memory_to_json` said. Raises KeyError, TypeError for anything else."""
    probation, experiment = known["probation"], known["experiment"]
    return Memory(
        sessions=known["sessions"],
        trials=frozenset(known["trials"]),
        barred=known["barred"],
        slot_free_at=known["slot_free_at"],
        probation=None if probation is None else Probation(**{**probation, **_sets(probation, "before", "after")}),
        experiment=None
        if experiment is None
        else Experiment(
            **{
                **experiment,
                **_sets(experiment, "baseline", "candidate"),
                "reasons": tuple(experiment["reasons"]),
            }
        ),
    )


def _sets(known: Mapping[str, Any], *names: str) -> dict[str, ParameterSet]:
    return {name: ParameterSet(**known[name]) for name in names}
