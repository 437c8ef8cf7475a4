"""One WebSocket connection to the venue.

=================  ================================================================================
``connection``     calls back for each frame, and sends control messages at an allowed rate
``framing``        finds the frames in the data of the socket; pure, the hot path
``conflation``     while the service is behind, keeps only the newest quote of each symbol
``pacing``         sliding windows and backoff
``failure_kinds``  classifies why a connection ended or could not be opened
=================  ================================================================================
"""
