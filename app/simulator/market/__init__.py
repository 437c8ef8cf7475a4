"""The markets that a simulated venue can show: a source of quotes, played by ``playback``.

``synthetic_market`` generates quotes from a seed, with ``pairs``, ``pair_dynamics``, ``fair_value``
and ``book_side``. ``tape_market`` plays a tape, and ``scripted_market`` the quotes of a test.
"""
