"""The pure core: plain synchronous Python, standard library only, no clock and no I/O.

================  ================================================================================
``order``         the order, its statuses, splits and snapshots
``quote``         one observation of best bid and best ask
``matcher``       the fill rule: the orders of one symbol against its quotes
``resting``       orders within the matcher, and the heap that sorts them
``side_book``     the orders of one owner on one side of the book
``liquidity``     the ledger of taken quantities
``first_quotes``  the first quote that each order met
``events``        what happened to an order; the table of allowed transitions
``rules``         the venue's trading rules for an order
``order_counts``  counts of open orders, and their limits
``caller``        who calls, and the scopes
``amounts``       exact decimal arithmetic, parsing and formatting
``symbols``       the spelling of symbols
``errors``        all errors raised on purpose
================  ================================================================================
"""
