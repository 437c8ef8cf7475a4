"""Tests of ``app.api.service``."""
