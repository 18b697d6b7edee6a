"""SIP and RTP: legs and bridges; knows nothing of agents or tickets."""
