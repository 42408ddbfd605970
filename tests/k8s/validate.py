"""Checks objects against the schemas of Kubernetes, strictly: unknown fields are faults. validate.py FILE, which
holds {"versions": […], "objects": [{"name", "object"}]}; writes the faults as a list of {"name", "version", "fault"}.
"""

import functools
import json
import sys

from kubernetes_validate import utils

# A schema is read once, not once for each object.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def fault(item: dict, version: str) -> str | None:
    try:
        used = utils.validate(item["object"], version, strict=True)
    except utils.ValidationError as error:
        return f"{'.'.join(str(part) for part in error.path)}: {error.message}"
    except utils.SchemaNotFoundError as error:
        return error.message
    return None if used == version else f"checked against {used} instead"


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    found = []
    for version in asked["versions"]:
        for item in asked["objects"]:
            said = fault(item, version)
            if said:
                found.append({"name": item["name"], "version": version, "fault": said})
    json.dump(found, sys.stdout)


main()
