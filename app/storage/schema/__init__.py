"""The schema: ``tables``, their ``column_types``, and ``migrate``, which brings it up to date."""
