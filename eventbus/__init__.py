"""The catalogue of published events; Redis fan-out inside, MQTT outside."""
