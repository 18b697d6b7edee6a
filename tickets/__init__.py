"""What the citizen said, turned into a ticket: slots, category, urgency, store."""
