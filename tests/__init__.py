"""The tests, by the ladder: unit, contract, integration, end to end."""
