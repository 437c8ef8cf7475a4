"""Tests of ``app.api.docs``."""
