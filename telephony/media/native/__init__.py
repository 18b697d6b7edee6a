"""The packet path in C: its sources, how they are compiled, and the Python around them."""
