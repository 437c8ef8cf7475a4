"""The state of the service and of symbols: probes, metrics, trading rules and quotes."""
