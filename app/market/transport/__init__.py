"""One WebSocket connection to the venue.

``connection`` calls back for each frame and sends control messages at an allowed rate, ``framing``
finds the frames in the bytes, ``pacing`` holds sliding windows and backoff, ``failure_kinds``
classifies why a connection ended or could not be opened.
"""
