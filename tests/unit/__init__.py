"""Each module of the product alone; the folders mirror ``app``."""
