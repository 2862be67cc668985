"""The JSON schema of rig files, made from the installed plugins: for editors, which complete and check rig.toml."""

from collections.abc import Iterable
from typing import Any

import msgspec

from riglog.config.alarms import ACTIONS, AlarmConfig
from riglog.config.derived import DerivedConfig
from riglog.config.equipment import CalibrationConfig, CertificateConfig, EquipmentConfig
from riglog.config.rig import RunConfig
from riglog.plugin import DeviceConfig, Registry

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PORT_TABLE_EXCLUDED = {"name", "driver", "port", "parameters", "rate_hz", "timeout", "identity_check"}


def rig_schema(registry: Registry) -> dict[str, Any]:
    """Return the schema of a rig file as a JSON document.

    Each device is checked by the keys of its driver, each sink by those of its type. What a driver checks beyond the
    types of its keys is not in it: ``riglog check`` checks that.
    """
    drivers = {name: driver.config for name, driver in registry.drivers.items()}
    sinks = {name: sink.config for name, sink in registry.sinks.items()}
    structs: list[type[msgspec.Struct]] = [
        RunConfig,
        DeviceConfig,
        AlarmConfig,
        DerivedConfig,
        EquipmentConfig,
        CertificateConfig,
        CalibrationConfig,
        *drivers.values(),
        *sinks.values(),
        *ACTIONS.values(),
    ]
    _, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    references = dict(zip(structs, _references(structs), strict=True))
    for outer, key, inner in (
        (EquipmentConfig, "certificate", CertificateConfig),
        (CertificateConfig, "calibration", CalibrationConfig),
    ):
        _component(components, references[outer])["properties"][key] = {"type": "array", "items": references[inner]}
    name_of_device = references[DeviceConfig]["$ref"].rpartition("/")[2]
    return {
        "$schema": DRAFT,
        "title": "riglog rig file",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "run": references[RunConfig],
            "device": _tables("driver", ["name", "driver"], {name: references[each] for name, each in drivers.items()}),
            "sink": _tables("type", ["type"], {name: references[each] for name, each in sinks.items()}),
            "alarm": {"type": "array", "items": references[AlarmConfig]},
            "derived": {"type": "array", "items": references[DerivedConfig]},
            "actions": {
                "type": "object",
                "additionalProperties": _table(
                    "type", ["type"], {name: references[each] for name, each in ACTIONS.items()}
                ),
            },
            "equipment": {"type": "object", "additionalProperties": references[EquipmentConfig]},
            "ports": {"type": "object", "additionalProperties": _port_table(components[name_of_device])},
        },
        "$defs": {name: _for_toml(component) for name, component in components.items()},
    }


def _component(components: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = components[reference["$ref"].rpartition("/")[2]]
    return found


def _references(structs: Iterable[type[msgspec.Struct]]) -> list[dict[str, Any]]:
    schemas, _ = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    return list(schemas)


def _tables(key: str, required: list[str], by_name: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of an array of tables, whose other keys depend on one of them."""
    return {"type": "array", "items": _table(key, required, by_name)}


def _table(key: str, required: list[str], by_name: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": {key: {"enum": list(by_name)}},
        "allOf": [
            {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": schema}
            for name, schema in by_name.items()
        ],
    }


def _port_table(device: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of ``[ports.NAME]``: the device file and the settings of the line."""
    keys = {name: schema for name, schema in device["properties"].items() if name not in PORT_TABLE_EXCLUDED}
    return {
        "type": "object",
        "required": ["device"],
        "properties": {"device": device["properties"]["port"]} | keys,
    }


def _for_toml(component: dict[str, Any]) -> dict[str, Any]:
    """Return a component without what TOML cannot express: a key is left away, never null."""
    return {key: _without_null(value) for key, value in component.items()}


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "anyOf" in value:
        kinds = [each for each in value["anyOf"] if each != {"type": "null"}]
        if len(kinds) == 1:
            rest = {key: each for key, each in value.items() if key not in ("anyOf", "default")}
            return _without_null(kinds[0] | rest)
    return {key: _without_null(each) for key, each in value.items() if not (key == "default" and each is None)}
