"""Tests of ``app.market.transport``."""
