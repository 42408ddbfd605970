"""Validates events, one JSON object a line, against their schemas: validate_events.py SCHEMAS EVENTS."""

import json
import pathlib
import sys

import jsonschema


def schema_of(event):
    """`job.running` is described by `job`, everything else by its own name."""
    return "job" if event.startswith("job.") and event != "job.alert" else event


def main(folder, file):
    validators = {}
    for path in pathlib.Path(folder).glob("*.schema.json"):
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[path.name.removesuffix(".schema.json")] = jsonschema.Draft202012Validator(schema)
    used, count = set(), 0
    for line in pathlib.Path(file).read_text().splitlines():
        event = json.loads(line)
        name = schema_of(event["event"])
        errors = [error.message for error in validators[name].iter_errors(event)]
        if errors:
            sys.exit(f"{name}: {errors}")
        used.add(name)
        count += 1
    print(f"{count} events, {len(used)} schemas")


main(*sys.argv[1:])
