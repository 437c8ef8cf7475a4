"""Who a caller is, told by a key: everybody's (``open_access``) or one of a file (``key_file``).

``keys`` holds the form of that file and of a key.
"""
