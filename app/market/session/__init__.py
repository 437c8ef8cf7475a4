"""Keep subscriptions on a venue connection alive.

===================  ==============================================================================
``session``          one connection with its subscriptions: delivers frames, or buffers them
``supervisor``       keeps one session alive for up to 1,023 symbols; reconnects and rotates
``outage``           schedules the attempts to reconnect
``rotation``         replaces a session before the venue closes it
``frame_buffer``     frames of the new session while the old one still delivers
``stream_requests``  the streams requested on one connection, and the next control message
``symbol_stream``    the listeners of one symbol
``lag``              measures how far the service is behind the venue
===================  ==============================================================================
"""
