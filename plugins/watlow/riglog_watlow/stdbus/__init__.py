"""Watlow Standard Bus: frames, messages, the codec for the client, and parameters over it."""
