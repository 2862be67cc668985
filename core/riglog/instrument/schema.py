"""The JSON schema of the instrument files of a driver, for editors. Pure."""

from typing import Any

import msgspec

from riglog.instrument.format import Format

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(form: Format[Any]) -> dict[str, Any]:
    """Return the schema; the tables that a driver converts by itself are put together here."""
    structs = (form.head, form.line, form.options, form.quantity)
    references, definitions = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    head, _, options, quantity = (definitions[reference["$ref"].rsplit("/", 1)[1]] for reference in references)
    refs = [reference["$ref"] for reference in references]
    head["properties"]["driver"] = {"const": form.driver}
    head["properties"]["extends"] = {"type": "string", "description": "The file that this one completes."}
    head["properties"]["line"] = {"$ref": refs[1]}
    head["properties"][form.block_key] = {"type": "object", "additionalProperties": {"$ref": refs[2]}}
    options["properties"]["channel"] = {"type": "object", "additionalProperties": {"$ref": refs[3]}}
    # a variant has only what is different, and a block states what all of its quantities have in common
    quantity["required"] = []
    head["required"] = ["format", "driver"]
    return {
        "$schema": DIALECT,
        "title": f"riglog instrument file: {form.driver}",
        "$ref": refs[0],
        "$defs": definitions,
    }
