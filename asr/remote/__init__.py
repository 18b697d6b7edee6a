"""Recognition servers of others, over WebSocket, behind asr/ports.py."""
