"""What the program tells about itself while it runs: spans and measurements, on their way to OpenTelemetry.

The trading side (`tracing`, `metering`, `conventions`) imports nothing but the standard library and costs one test
per call while nobody listens. The listening side (`pump`, `otlp`) works on a thread of its own, on wall time, and is
only imported where somebody listens. `run.Telemetry` puts the two together; the rest of the program finds it in
`observability`.
"""
