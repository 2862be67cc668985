"""Watlow Standard Bus: frames, messages, the codec, and parameters over it."""
