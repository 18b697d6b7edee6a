"""What every packet path must do: see :mod:`telephony.media.path`."""
