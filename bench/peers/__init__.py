"""Programs that run with other people's packages, each in an environment of its own."""
