"""Vosk in several processes that share one model's memory.

``recognizer.py`` is the engine behind asr/ports.py; ``workers.py`` keeps the processes, of which
``zygote.py`` is the parent and ``worker.py`` the inside, with its
``decoders.py``; ``frames.py`` is what they say to each
other.
"""
