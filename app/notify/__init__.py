"""Durable events to whoever waits for them.

``announcements`` for requests that wait for an order's end, ``subscriptions`` for those who follow
many orders, ``fan_out`` tells both.
"""
