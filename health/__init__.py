"""How the program itself is doing: readings become findings, findings become healing actions; workers; the watchdog."""
