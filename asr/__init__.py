"""Speech to partial and final text; engines behind one port."""
