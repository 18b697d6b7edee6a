"""The only place where features meet: one owner object per call."""
