"""Recordings of a running service, and their verification against its database."""
