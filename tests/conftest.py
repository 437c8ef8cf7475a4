"""What holds for every test."""

import structlog

# The default renderer takes seconds for a traceback, with every local variable in it.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
)
