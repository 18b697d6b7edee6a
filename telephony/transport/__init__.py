"""How SIP messages travel: UDP, and connections (RFC 3261 §18, RFC 5626, RFC 7118)."""
