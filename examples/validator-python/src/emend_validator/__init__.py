"""Write a validator for Emend: subclass `Validator`, and `serve` it.

Workers call it over gRPC behind the rule pack, a batch of records at a time. It sees the fields that it reads, as the chain
before it left them, and answers what to change and what needs a person. What it does not declare is refused, and the record
goes to a person.
"""

from ._server import serve
from ._validator import Change, Finding, Job, Record, Validator

__all__ = ["Change", "Finding", "Job", "Record", "Validator", "serve"]
