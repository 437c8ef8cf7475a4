"""Run the migrations on the connection that ``app.storage.schema.migrate`` passes in.

It has begun the transaction and holds the lock, and it commits.
"""
# ruff: noqa: INP001 - a folder of scripts, not a package

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
