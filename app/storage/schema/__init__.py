"""The schema: ``tables``, their ``column_types``, and ``migrate``, which upgrades a database."""
