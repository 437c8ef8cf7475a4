"""Generators of frames, requests and histories, and models that check the results."""
