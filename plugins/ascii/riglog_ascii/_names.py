"""The public names of riglog_ascii, each with its home. The only list: see ``riglog._lazy``."""

from riglog_ascii.config import AsciiConfig as AsciiConfig
from riglog_ascii.device import AsciiInstrument as AsciiInstrument
from riglog_ascii.device import StreamingInstrument as StreamingInstrument
from riglog_ascii.driver import AsciiDriver as AsciiDriver
from riglog_ascii.errors import InstrumentRefusedError as InstrumentRefusedError
