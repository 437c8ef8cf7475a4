"""Parts of the service on real SQLite and the simulator, over loopback."""
