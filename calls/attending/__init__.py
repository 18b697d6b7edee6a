"""What the system itself says to a caller: while he waits, and after the agent has left.

The machines (``waiting_room``, ``parting``) are pure; ``voice`` plays what they say, ``attendant``
joins them with one call, and ``line_up`` knows how many wait before whom.
"""
