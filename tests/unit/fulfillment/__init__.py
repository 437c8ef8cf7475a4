"""Tests of ``app.fulfillment``."""
