"""The routes of orders: place, read, cancel."""
