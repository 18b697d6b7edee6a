"""The way in: command line, wiring of everything from settings, child processes."""
