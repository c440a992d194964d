"""`python -m tests.mutants.child NAME`: races in a simulation with one mistake made, and what the checker found."""

import asyncio
import json
import logging
import os
import sys
from contextlib import ExitStack
from typing import Annotated

import structlog
import typer

from tests.mutants.patch import Patch
from tests.mutants.variants import MUTANTS
from tests.support.in_process.races import simulated_races
from tests.support.in_process.simulation import LIFE_S


def main(
    name: Annotated[str, typer.Argument(help="of the mutant; without one the code as it is")] = "",
    races: int = 40,
    seed: int = 1,
) -> None:
    """Prints a JSON object: operations, invariant → example, and the mistakes that were never reached."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    patch = Patch()
    with ExitStack() as stack:
        if name:
            MUTANTS[name].apply(patch)
            stack.enter_context(patch.applied())
        life_s = MUTANTS[name].life_s if name else LIFE_S
        found, operations = asyncio.run(simulated_races(os.environ["LIXIAO_POSTGRES"], races, seed, life_s=life_s))
    answer = {
        "operations": operations,
        "found": {one.invariant: one.example for one in found},
        "unreached": sorted(patch.unreached),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    typer.run(main)
