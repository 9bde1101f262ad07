"""Import contracts that import-linter does not bring along."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck
from importlinter.application import output

_CALENDAR = "dateutil"
"""Adds months to dates, which the standard library cannot; it touches nothing outside."""


class PureDomainContract(Contract):
    """Every `domain` module imports the standard library, dateutil, `billing.money` and domains.

    An allow list: a library taken up tomorrow is refused without anybody naming it here.
    """

    type_name = "pure_domain"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        faults = [
            f"{module} imports {imported}"
            for module in sorted(graph.modules)
            if module.startswith("billing.") and module.endswith(".domain")
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if not _allowed(imported)
        ]
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for fault in check.metadata["faults"]:
            output.print_error(fault)


def _allowed(module: str) -> bool:
    root = module.partition(".")[0]
    return (
        root in {*sys.stdlib_module_names, _CALENDAR}
        or module == "billing.money"
        or module.endswith(".domain")
    )
