"""HTTP and WebSocket API, agent desktop (static ES modules, no build step)."""
