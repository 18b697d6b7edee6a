"""``python -m hotline``."""

from hotline.cli import app

app()
