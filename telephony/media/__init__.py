"""Pure packet work (RTP, G.711, relay, recording) and the media process that drives it."""
