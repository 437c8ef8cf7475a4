"""Record the feed's frames and the matchers' inputs in one order, so that fills can be derived.

====================  ==========================================================================
``recorder``          writes frames and notes
``recorded_matcher``  a matcher that records every call made to it
``recording_notes``   the notes between the frames
``recording_folder``  the files of a recording and their total size
====================  ==========================================================================
"""
