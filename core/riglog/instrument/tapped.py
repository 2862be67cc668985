"""Values of an instrument that a file describes, in replies to another master. Pure.

What a quantity refers to must be in the same reply: nothing else is read.
"""

from collections.abc import Mapping, Sequence

from riglog.device import DeviceContext
from riglog.device.frame_reader import unchecked
from riglog.instrument.description import AnyQuantity, Description, parameter_of
from riglog.instrument.device import sample_of
from riglog.instrument.format import Format
from riglog.instrument.proofs import Known, Proofs
from riglog.instrument.values import Reading
from riglog.model import Sample


class TappedValues:
    """The values of one instrument. ``has_check``: its replies have a checksum."""

    def __init__(
        self,
        form: Format[AnyQuantity],
        description: Description[AnyQuantity],
        wanted: Sequence[str],
        *,
        has_check: bool,
    ) -> None:
        self._quantities = description.quantities
        self._meanings = {name: form.meaning(name, quantity) for name, quantity in self._quantities.items()}
        self._proofs = Proofs(self._quantities, self._meanings)
        self._wanted = wanted
        self._has_check = has_check

    def samples(self, context: DeviceContext, readings: Mapping[str, Reading]) -> list[Sample]:
        """Return the samples of one reply. A value that refers to others, or has no checksum, is not certain."""
        samples: list[Sample] = []
        for name in self._wanted:
            references = self._quantities[name].references
            if name not in readings or any(other not in readings for other in references):
                continue
            near = Known({}, {}, {other: readings[other].raw for other in references})
            meant = self._meanings[name].interpret(readings[name], self._proofs.stated(name, near))
            parameter, instance = parameter_of(name)
            sample = sample_of(context.channel(parameter, instance=instance, unit=meant.unit), readings[name], meant)
            samples.append(unchecked(sample) if references or not self._has_check else sample)
        return samples
