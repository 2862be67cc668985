"""Registers of an instrument file: the format, the blocks, and the transactions."""
