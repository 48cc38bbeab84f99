"""What continuous improvement is made of: parameter sets, candidates, replays, tests, experiments, steps on record."""
