"""Settings model (frozen, validated at start) and default.toml."""
