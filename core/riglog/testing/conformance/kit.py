"""All checks in one class, which a plugin subclasses."""

import pytest

from riglog.testing.conformance.configuration import ConfigurationChecks
from riglog.testing.conformance.failures import FailureChecks
from riglog.testing.conformance.faults import FaultChecks
from riglog.testing.conformance.listening import ListeningChecks
from riglog.testing.conformance.registration import RegistrationChecks
from riglog.testing.conformance.writing import WritingChecks


@pytest.mark.anyio
class DriverConformance(
    RegistrationChecks, ConfigurationChecks, FaultChecks, FailureChecks, WritingChecks, ListeningChecks
):
    """Every check of a driver. See ``Subject`` for what a subclass states.

    Checks that do not apply are skipped with the reason: no port, no writable parameter, no simulator that knows the
    truth.
    """
