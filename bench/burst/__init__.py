"""A burst of quotes: its frames, its venue, and the clients that receive it."""
