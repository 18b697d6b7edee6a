"""RFC 3261 message by message: trunk and phones are bare sockets, and the node is a whole one."""
