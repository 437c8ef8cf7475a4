"""Programs that use one client each, unmodified but for the address, and tell what it received.

Each is a process of its own: what a client does at its import, to its loop or at its end is its own
affair. The clients are absent from the usual environment, so they are imported by name.
"""
