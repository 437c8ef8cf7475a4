"""Programs that use one client library each, with the address changed, and print its results.

Each is a separate process, because a library may change its process at import, in its loop or at
exit. The libraries are missing in the usual environment, so they are imported by name.
"""
