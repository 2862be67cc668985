"""The identity of a balance. Source: sections 1.1, 3.6, 4.6."""

from msgspec import Struct

FAMILIES = {"MSE": "cubis", "WZ": "oem_weigh_cell", "BCE": "basic_lab"}


class Identity(Struct, frozen=True):
    """None for what the balance does not report."""

    model: str | None
    serial: str | None = None
    software: str | None = None
    manufacturer: str | None = None

    @property
    def family(self) -> str:
        """The family by the prefix of the model; a hint only, as even weigh cells of one family differ."""
        model = (self.model or "").strip().upper()
        return next((family for prefix, family in FAMILIES.items() if model.startswith(prefix)), "unknown")
