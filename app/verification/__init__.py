"""``papertape verify``: every split derived anew from a recording, and held against a database.

``recording`` reads the files in their order and finds the gaps, ``replay`` gives a new matcher what
the recorded one was told, ``lots`` keeps its own account of what was sold, ``lives`` is what became
of an order, ``compare`` holds that against the rows, ``verify`` leads through it all, ``report`` is
what it found. Time plays no part: order and instants are those of the recording.
"""
