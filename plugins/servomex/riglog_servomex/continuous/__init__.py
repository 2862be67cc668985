"""An analyzer in continuous mode: it broadcasts, and receives no requests."""
