"""``papertape verify`` derives every split from a recording and compares it with a database.

``recording_reader`` reads the files in order and finds the gaps. ``session_replay`` gives a new
matcher the recorded inputs, ``sold_quantity`` counts independently of the matcher how much of each
quote was sold, ``derived_order`` is an order as the recording has it, ``comparison`` compares it
with its rows. ``verification`` runs all steps, ``verification_report`` holds the findings. Order
and times come from the recording alone.
"""
