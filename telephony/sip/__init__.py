"""Pure SIP machines: no socket, no clock, no randomness."""
