"""Faults of the venue on request.

``fault_table`` lists each fault once. ``control_api`` serves the table under ``/simulator``, and
``control_parameters`` reads the parameters of a request. ``venue_faults`` holds the active faults,
and ``market_time`` controls the time of the market. ``frame_faults`` and ``garbage`` change frames.
"""
