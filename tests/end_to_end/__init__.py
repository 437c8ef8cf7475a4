"""Real processes, started, used, killed."""
