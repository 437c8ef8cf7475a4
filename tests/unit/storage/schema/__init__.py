"""Tests of ``app.storage.schema``."""
