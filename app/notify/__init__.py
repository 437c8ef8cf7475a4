"""Deliver durable events to their listeners.

=================  ================================================================================
``announcements``  wakes requests that wait for an order's end; ``FanOut`` joins several buses
``subscriptions``  event streams for clients that follow many orders
=================  ================================================================================
"""
