"""The simulated instrument of an instrument file, with its lines."""

from riglog_ascii.simulator.instrument import AsciiSimulator

__all__ = ["AsciiSimulator"]
