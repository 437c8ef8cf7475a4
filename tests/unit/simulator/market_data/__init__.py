"""Tests of ``app.simulator.market_data``."""
