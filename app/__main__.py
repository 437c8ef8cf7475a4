"""``python -m app`` is ``papertape``."""

from app.cli import main

main()
