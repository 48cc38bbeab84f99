"""Pure statistics of trading results: metrics, regimes, experiments, forecast scores. Only numpy; nothing acts here."""
