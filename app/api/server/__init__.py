"""The server's side of a connection: uvicorn's protocols with bounds."""
