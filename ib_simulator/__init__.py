"""A simulated Interactive Brokers gateway: wire protocol, exchange, account, feeds, faults, simulated time."""
