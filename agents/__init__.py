"""Accounts, presence, offers and the waiting queue; shared state in Redis."""
