"""Records the feed's frames and the matchers' inputs in one order, so that fills can be derived.

``recording_notes`` defines the notes between the frames of a tape, ``recording_folder`` the files
of a recording and their bounds. ``recorded_matcher`` wraps a matcher and notes every call,
``recorder`` writes frames and notes.
"""
