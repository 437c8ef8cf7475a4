"""Durable events to whoever waits for them: ``announcements`` for requests that wait for an end."""
