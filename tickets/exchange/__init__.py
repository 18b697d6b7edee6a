"""The exchange of tickets with partners (工单互派): see docs/exchange.md.

``messages`` is what goes over the wire, ``machine`` decides (pure), ``intake`` says what is taken
in, ``store`` keeps it in SQL, and ``service`` performs what was decided.
"""
