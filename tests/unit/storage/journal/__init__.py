"""Tests of ``app.storage.journal``."""
