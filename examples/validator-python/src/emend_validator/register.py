"""An example: looks people up in a register, a SQLite file, by their identity number.

    emend-register build register.db truth.jsonl
    emend-register serve register.db --listen 127.0.0.1:9090
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from . import Change, Finding, Job, Record, Validator, serve


class Register(Validator):
    """A name that differs from the register's in case and spaces alone is rewritten; another one needs a person."""

    name = "register"
    version = "1.0"
    reads = ("national_id", "full_name")
    changes = ("full_name",)
    findings = ("full_name.register",)
    batch_size = 200

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file: make it with `emend-register build`")
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._local = threading.local()

    def check(self, record: Record, job: Job) -> Iterator[Change | Finding]:
        number, name = record.get("national_id"), record.get("full_name")
        known = self._name_of(number) if number else None
        if known is None or known == name or not record.may_change("full_name"):
            return
        if " ".join(name.split()).casefold() == known.casefold():
            yield Change("full_name", known, "form")
        else:
            yield Finding("full_name.register", "full_name", (known,))

    def _name_of(self, number: str) -> str | None:
        # A connection of SQLite belongs to its thread.
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(self._uri, uri=True)
        row = connection.execute("SELECT full_name FROM people WHERE national_id = ?", (number,)).fetchone()
        return row[0] if row else None


def build(path: Path, people: Iterable[tuple[str, str]]) -> int:
    """Writes a register of numbers and names; how many there are."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS people")
        connection.execute("CREATE TABLE people (national_id TEXT PRIMARY KEY, full_name TEXT NOT NULL)")
        connection.executemany("INSERT OR IGNORE INTO people VALUES (?, ?)", people)
        return connection.execute("SELECT COUNT(*) FROM people").fetchone()[0]


def people(truth: Path) -> Iterator[tuple[str, str]]:
    """Those of a file that `emend generate` wrote beside its records."""
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)["fields"]
            if fields.get("national_id") and fields.get("full_name"):
                yield fields["national_id"], fields["full_name"]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="emend-register", description="A population register as a validator for Emend.")
    commands = parser.add_subparsers(required=True, dest="command")
    make = commands.add_parser("build", help="write a register")
    make.add_argument("register", type=Path)
    make.add_argument("truth", type=Path, help="truth.jsonl, as `emend generate` wrote it")
    run = commands.add_parser("serve", help="serve it to workers")
    run.add_argument("register", type=Path)
    run.add_argument("--listen", default="127.0.0.1:9090", metavar="ADDRESS", help="HOST:PORT or unix:/PATH")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if asked.command == "build":
        if not asked.truth.is_file():
            parser.error(f"{asked.truth} is no file: `emend generate` writes it beside its records")
        print(f"{build(asked.register, people(asked.truth)):,} people in {asked.register}")
    else:
        try:
            register = Register(asked.register)
        except FileNotFoundError as error:
            parser.error(str(error))
        serve(register, asked.listen)


if __name__ == "__main__":
    main()
