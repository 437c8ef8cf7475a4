"""The server's side of a connection: subclasses of the protocols of the pinned uvicorn."""
