"""Identify callers.

============  =====================================================================================
``key_file``  identifies callers by the keys of a file, or treats all alike (``OpenAccess``)
``keys``      the format of keys and of the key file
============  =====================================================================================
"""
