"""What the floor does, counted: live, by the quarter of an hour, and kept in SQL."""
