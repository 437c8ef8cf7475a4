"""The commands that make and play tapes: ``record`` and ``replay``.

Like ``composition`` they put together what knows nothing of one another: the feed and a tape to
write, the feed's way of reading a frame and a tape to play.
"""
