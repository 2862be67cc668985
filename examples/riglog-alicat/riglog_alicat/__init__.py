"""Alicat flow and pressure instruments for riglog."""
