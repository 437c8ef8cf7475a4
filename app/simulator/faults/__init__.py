"""Faults of the venue on request.

``fault_table`` lists every fault once. ``control_api`` serves the table under ``/simulator``,
``venue_faults`` holds the faults that are active, ``frame_faults`` and ``garbage`` change frames.
"""
