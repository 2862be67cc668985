"""The public names of this package, one a line; ``riglog._lazy`` imports each when it is used."""

from riglog.testing.conformance import DriverConformance as DriverConformance
from riglog.testing.cuts import assert_decodes as assert_decodes
from riglog.testing.script import ScriptStep as ScriptStep
from riglog.testing.script import scripted as scripted
from riglog.testing.script import step as step
from riglog.testing.transcript import Dialogue as Dialogue
from riglog.testing.transcript import load_dialogue as load_dialogue
from riglog.testing.virtual_time import LoopClock as LoopClock
from riglog.testing.virtual_time import virtual_backend as virtual_backend
