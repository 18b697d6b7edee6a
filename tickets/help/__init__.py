"""Help for the agent while the citizen speaks: what to ask, what is known, what was said."""
