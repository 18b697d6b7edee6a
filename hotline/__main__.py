"""``python -m hotline``."""

import gc

# What is imported stays: looking for garbage in it, again and again while it grows, would be a
# fifth of the start, and later a part of every collection.
gc.disable()

from hotline.cli import app  # noqa: E402 - that is what the collector has to keep away from

gc.freeze()
gc.enable()

try:
    app()
finally:
    gc.freeze()  # else Python would go through it all again on the way out, for a second
