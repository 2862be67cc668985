"""The metadata of a bundle for electronic laboratory notebooks: RO-Crate 1.1, in an ``.eln`` file.

Source: the ELN file format of The ELN Consortium, https://github.com/TheELNConsortium/TheELNFileFormat, and
https://w3id.org/ro/crate/1.1. Every ``@id`` is made by riglog; names of users and instruments are texts only.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from riglog.recordings.bundles.content import Content
from riglog.sinks.rows import Row

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
RIGLOG = "#riglog"
FOLDER = "./data/"


def metadata(name: str, content: Content, sizes: Mapping[str, tuple[int, str]], created: str) -> bytes:
    """Return the description of a bundle.

    Args:
        sizes: of each file: bytes, and SHA-256 as hexadecimal text.
        created: ISO 8601, UTC.
    """
    files: list[dict[str, Any]] = [
        {
            "@id": FOLDER + part.path,
            "@type": "File",
            "name": part.path,
            "description": part.description,
            "encodingFormat": part.type,
            "contentSize": str(sizes[part.path][0]),
            "sha256": sizes[part.path][1],
            "dateModified": created,
        }
        for part in content.parts
    ]
    runs = [(run, each.clock, each.latest) for each in content.recordings for run in each.runs]
    devices = _devices([row for each in content.recordings for row in each.latest])
    title = ", ".join(dict.fromkeys(run.run for run, _, _ in runs)) or name
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": SPECIFICATION},
            "version": "1.0",
            "dateCreated": created,
            "sdPublisher": {"@id": RIGLOG},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": "Recording of laboratory instruments, with its report, rows, events, rig files and seals",
            "datePublished": created,
            "license": {"@id": "#license"},
            "hasPart": [{"@id": FOLDER}, *({"@id": file["@id"]} for file in files)],
        },
        {
            "@id": FOLDER,
            "@type": "Dataset",
            "name": title,
            "description": "\n".join(_described(content)),
            "dateCreated": min((run.started_at for run, _, _ in runs), default=created),
            "dateModified": created,
            "hasPart": [{"@id": file["@id"]} for file in files],
            "mentions": [{"@id": f"#run-{number}"} for number, _ in enumerate(runs, 1)],
        },
        *files,
        {"@id": "#license", "@type": "CreativeWork", "name": "not stated", "description": "No licence is stated."},
        {"@id": RIGLOG, "@type": "SoftwareApplication", "name": "riglog", "version": version("riglog")},
        *({"@id": f"#device-{n}", "@type": "Product", "name": device} for n, device in enumerate(devices, 1)),
    ]
    for number, (run, _, latest) in enumerate(runs, 1):
        used = [n for n, device in enumerate(devices, 1) if any(row.device == device for row in latest)]
        action: dict[str, Any] = {
            "@id": f"#run-{number}",
            "@type": "CreateAction",
            "name": run.run,
            "startTime": run.started_at,
            "instrument": [{"@id": RIGLOG}, *({"@id": f"#device-{n}"} for n in used)],
            "result": [{"@id": file["@id"]} for file in files],
        }
        if run.finished_at is not None:
            action["endTime"] = run.finished_at
        graph.append(action)
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1).encode() + b"\n"


def _devices(latest: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.device for row in latest))


def _described(content: Content) -> list[str]:
    return [
        f"{each.path.replace(chr(92), '/').rpartition('/')[2]}: {each.rows} rows, {len(each.runs)} runs."
        f" Head of its seals: {each.head or 'none'}"
        for each in content.recordings
    ]
