"""Carriers and partners: who they are, which of them works, and which one a call takes.

The modules decide and do nothing; `telephony.trunks.service` asks, registers and keeps time.
"""
