"""``python -m app`` is ``papertape``."""

from app.cli.main import main

main()
