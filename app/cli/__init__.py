"""The command line: every ``papertape`` command.

===================  ===========================================================================
``main``             the commands of the service and of its database, with their options
``client``           the commands for a running service
``tape_commands``    the options of ``record`` and ``replay``
``record``           records a tape; ``record_progress`` prints its progress
``replay``           replays a tape; ``replay_results`` prints the results
``maintenance``      ``audit``, ``verify``, ``prune`` and ``backup``
``simulate``         runs the simulated venue
``demo``             runs the simulated venue and the service together
===================  ===========================================================================
"""
