"""What the feed got and what matchers were told, in one order: enough to derive each split anew.

``notes`` are the remarks between the frames of a tape, ``files`` the tapes of a folder and their
bounds, ``recorded_matcher`` a matcher that tells what it is told, ``recorder`` writes it all down.
"""
