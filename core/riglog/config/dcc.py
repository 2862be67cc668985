"""Reads digital calibration certificates: XML by the schema of PTB, version 3 (https://ptb.de/dcc).

The file comes from elsewhere, so nothing in it is trusted: a document type, and with it every entity, is refused, and
so are files that are deep or large. Only the standard library is needed.
"""

import re
from collections.abc import Iterator
from datetime import date
from xml.parsers import expat

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import storable

NAMESPACE = "https://ptb.de/dcc"
ROOT = "digitalCalibrationCertificate"
MOST_DEPTH = 100
MOST_ELEMENTS = 200_000
MOST_POINTS = 1000
MOST_NAME = 200
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
REFERENCE, INDICATED, ERROR = "referencevalue", "measuredvalue", "measurementerror"
UNITS = {
    "\\degreecelsius": "degC",
    "\\degreefahrenheit": "degF",
    "\\kelvin": "K",
    "\\gram": "g",
    "\\kilogram": "kg",
    "\\milli\\gram": "mg",
    "\\percent": "%",
    "\\pascal": "Pa",
    "\\hecto\\pascal": "hPa",
    "\\kilo\\pascal": "kPa",
    "\\bar": "bar",
    "\\milli\\bar": "mbar",
    "\\volt": "V",
    "\\milli\\volt": "mV",
    "\\ampere": "A",
    "\\milli\\ampere": "mA",
    "\\metre": "m",
    "\\milli\\metre": "mm",
    "\\second": "s",
    "\\one": "",
}
"""Units of D-SI, and how riglog writes them. Any other one is compared as it is written."""


class Element:
    """An element of the document. Names are without their namespace."""

    __slots__ = ("attributes", "children", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.children: list[Element] = []
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.texts).strip()

    def all(self, *path: str) -> Iterator["Element"]:
        """Return the elements at the end of a path of names."""
        for child in self.children:
            if child.name == path[0]:
                if len(path) == 1:
                    yield child
                else:
                    yield from child.all(*path[1:])

    def first(self, *path: str) -> "Element | None":
        return next(self.all(*path), None)

    def text_at(self, *path: str) -> str | None:
        found = self.first(*path)
        return (found.text or None) if found is not None else None

    def name_at(self, *path: str) -> str | None:
        """Return a text that is short enough for a name or number; None: it is not, or is not there."""
        found = self.text_at(*path)
        return storable(found) if found is not None and len(found) <= MOST_NAME else None

    def below(self, name: str) -> Iterator["Element"]:
        """Return the elements of this name, at any depth."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.below(name)


class Quantity(Struct, frozen=True):
    """The numbers of a column, with their unit and the expanded uncertainties, as the certificate has them."""

    values: tuple[float, ...]
    unit: str
    uncertainties: tuple[float, ...] = ()
    coverage_factors: tuple[float, ...] = ()


class DccResult(Struct, frozen=True):
    """A table of results: what was indicated at which reference value. ``names``: by which a rig file finds it."""

    names: tuple[str, ...]
    unit: str
    points: tuple[tuple[float, float], ...]
    uncertainty: tuple[tuple[float, float], ...] = ()
    coverage_factor: float | None = None


class Dcc(Struct, frozen=True):
    """What riglog takes of a digital calibration certificate. Dates are ISO 8601."""

    number: str | None
    issued_on: str | None
    manufacturer: str | None
    model: str | None
    serial_numbers: tuple[str, ...]
    results: tuple[DccResult, ...]
    refused: tuple[str, ...] = ()


def is_dcc(content: bytes) -> bool:
    """Return whether a file looks like a digital calibration certificate."""
    return ROOT.encode() in content[:20_000] or ROOT.encode("utf-16-le") in content[:40_000]


def read_dcc(content: bytes) -> Dcc:
    """Return what a certificate states.

    Raises:
        ConfigError: it is not XML, not a certificate of version 3, or contains what is not accepted.
    """
    root = _parse(content)
    version = root.attributes.get("schemaVersion", "")
    if root.name != ROOT or not version.startswith("3."):
        raise ConfigError(
            f"no digital calibration certificate of version 3 (root {root.name!r:.60}, version {version!r:.20})",
            hint="Get it in DCC version 3, or state the table in the rig file",
        )
    data = root.first("administrativeData", "coreData") or Element("coreData", {})
    items = list(root.all("administrativeData", "items", "item"))
    item = items[0] if len(items) == 1 else Element("item", {})
    results, refused = [], []
    for each in root.below("result"):
        try:
            results.append(_result(each))
        except _NoTableError as error:
            refused.append(f"{(_names(each) or ('a result without a name',))[0]}: {error}")
    return Dcc(
        number=data.name_at("uniqueIdentifier"),
        issued_on=_date(data.text_at("issueDate")) or _date(data.text_at("endPerformanceDate")),
        manufacturer=item.name_at("manufacturer", "name", "content"),
        model=item.name_at("model"),
        serial_numbers=tuple(number for item in items for number in _serial_numbers(item)),
        results=tuple(results),
        refused=tuple(refused),
    )


class _NoTableError(Exception):
    """A result that is no table of one quantity."""


def _parse(content: bytes) -> Element:
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    top = Element("", {})
    open_elements, count = [top], 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS or len(open_elements) > MOST_DEPTH:
            raise ConfigError("too many elements, or too deep", hint="Get a certificate without enclosed documents")
        plain = {key.rpartition("}")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition("}")[2], plain)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def refuse(*_: object) -> int:
        raise ConfigError(
            "it contains a document type or entities, which are not accepted",
            hint="A certificate does not need them: get it from the laboratory again",
        )

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: open_elements.pop()
    parser.CharacterDataHandler = lambda text: open_elements[-1].texts.append(text)
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ConfigError(f"not valid XML: {error}", hint="Get it from the laboratory again") from None
    except (LookupError, ValueError) as error:  # an encoding that is not known
        raise ConfigError(f"not valid XML: {error!s:.80}", hint="Get it from the laboratory again") from None
    return top.children[0]


def _date(text: str | None) -> str | None:
    try:
        return None if text is None else date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return None


def _serial_numbers(item: Element) -> Iterator[str]:
    """Return the numbers by which the manufacturer identifies an item."""
    for each in item.all("identifications", "identification"):
        stated = " ".join([each.attributes.get("refType", ""), each.text_at("name", "content") or ""]).lower()
        value = each.name_at("value")
        if value and ("serial" in stated or (each.text_at("issuer") == "manufacturer" and not stated.strip())):
            yield value


def _names(result: Element) -> tuple[str, ...]:
    names = [content.text for content in result.all("name", "content")]
    return tuple(filter(None, [result.attributes.get("id"), *result.attributes.get("refType", "").split(), *names]))


def _result(result: Element) -> DccResult:
    """Return a table: indicated values, and what each stands for.

    Raises:
        _NoTableError: it has no indicated and reference values, or they do not fit each other.
    """
    quantities = {}
    for each in result.below("quantity"):
        kinds = [kind.lower().rpartition("_")[2] for kind in each.attributes.get("refType", "").split()]
        for kind in (REFERENCE, INDICATED, ERROR):
            if kind in kinds and (found := _quantity(each)) is not None:
                if kind in quantities:
                    raise _NoTableError(f"two columns of the kind {kind}")
                quantities[kind] = found
    indicated, reference, error = (quantities.get(kind) for kind in (INDICATED, REFERENCE, ERROR))
    if indicated is None and reference is not None and error is not None:
        _check_columns(reference, error, difference=True)
        sums = tuple(r + e for r, e in zip(reference.values, error.values, strict=True))
        indicated = Quantity(sums, reference.unit)
    if indicated is None:
        raise _NoTableError("no column of measured values")
    if reference is not None:
        _check_columns(indicated, reference)
        true = reference.values
    elif error is not None:
        _check_columns(indicated, error, difference=True)
        true = tuple(i - e for i, e in zip(indicated.values, error.values, strict=True))
    else:
        raise _NoTableError("no column of reference values or errors")
    stated = next((q for q in (error, indicated, reference) if q is not None and q.uncertainties), None)
    factors = {*stated.coverage_factors} if stated is not None else set()
    if stated is not None and len(stated.uncertainties) != len(true):
        raise _NoTableError("not one uncertainty for each value")
    if len(factors) > 1:
        raise _NoTableError("different coverage factors")
    return DccResult(
        _names(result),
        UNITS.get(indicated.unit, indicated.unit),
        tuple(zip(indicated.values, true, strict=True)),
        () if stated is None else tuple(zip(indicated.values, stated.uncertainties, strict=True)),
        next(iter(factors), None),
    )


def _check_columns(one: Quantity, other: Quantity, *, difference: bool = False) -> None:
    if len(one.values) != len(other.values):
        raise _NoTableError("columns of different lengths")
    same = one.unit == other.unit or (difference and {one.unit, other.unit} == {"\\kelvin", "\\degreecelsius"})
    if not same:
        raise _NoTableError(f"columns in different units: {one.unit!r:.30} and {other.unit!r:.30}")


def _quantity(quantity: Element) -> Quantity | None:
    """Return the numbers of a quantity; None: it has no list of real numbers."""
    holder = quantity.first("hybrid") or quantity
    found = holder.first("realListXMLList")
    if found is not None:
        values = _numbers(found.text_at("valueXMLList"))
        units = set((found.text_at("unitXMLList") or "").split())
        stated = _numbers(
            found.text_at("expandedUncXMLList", "uncertaintyXMLList")
            or found.text_at("measurementUncertaintyUnivariateXMLList", "expandedMUXMLList", "valueExpandedMUXMLList")
        )
        factors = _numbers(
            found.text_at("expandedUncXMLList", "coverageFactorXMLList")
            or found.text_at("measurementUncertaintyUnivariateXMLList", "expandedMUXMLList", "coverageFactorXMLList")
        )
    elif (found := holder.first("real")) is not None:
        values, units = _numbers(found.text_at("value")), {found.text_at("unit") or ""}
        stated = _numbers(
            found.text_at("expandedUnc", "uncertainty")
            or found.text_at("measurementUncertaintyUnivariate", "expandedMU", "valueExpandedMU")
        )
        factors = _numbers(
            found.text_at("expandedUnc", "coverageFactor")
            or found.text_at("measurementUncertaintyUnivariate", "expandedMU", "coverageFactor")
        )
    else:
        return None
    if not values:
        raise _NoTableError("a column without numbers")
    if len(units) != 1:
        raise _NoTableError("a column without a unit, or in several")
    if len(stated) == 1:  # one for the whole column
        stated *= len(values)
    return Quantity(values, units.pop(), stated, factors)


def _numbers(text: str | None) -> tuple[float, ...]:
    """Return the numbers of a list.

    Raises:
        _NoTableError: a word is no finite number (NaN, INF …), or there are too many.
    """
    words = (text or "").split()
    if len(words) > MOST_POINTS:
        raise _NoTableError(f"more than {MOST_POINTS} values")
    for word in words:
        if not NUMBER.fullmatch(word) or len(word) > 40 or abs(float(word)) > 1e300:
            raise _NoTableError(f"{word!r:.40} is not a finite number")
    return tuple(float(word) for word in words)
