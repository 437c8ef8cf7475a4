"""The command line: every ``papertape`` command.

``main`` reads the arguments. ``client`` holds the commands that speak to a running service. The
other modules are one command each, with its output: ``demo``, ``maintenance`` (``audit``,
``verify``, ``prune``, ``backup``), ``record``, ``replay``, ``simulate``.
"""
