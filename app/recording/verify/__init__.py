"""``papertape verify`` derives every split from a recording and compares it with a database.

Order and times come from the recording alone.

========================  ======================================================================
``verification``          runs all steps
``recording_reader``      reads the files in order and finds the gaps between them
``session_replay``        gives the recorded inputs to a new matcher
``liquidity_check``       counts, without the matcher, how much of each quote was sold
``ledger_history``        the ledgers that the database may hold after a crash
``derived_order``         an order as it follows from the recording
``comparison``            compares a derived order with its stored rows
``order_bookkeeping``     keeps the derived orders until they are compared
``recorded_orders``       reports the stored orders that the recording lacks
``verification_report``   the findings
========================  ======================================================================
"""
