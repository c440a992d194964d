"""`make mutants`: break the product in every listed way, and the pure core in every way a tool finds.

The listed mistakes are made in a simulation and have to be seen by the checker; mutmut changes the pure core line by
line and runs its unit tests.
"""

import time
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import obtain
from tests.mutants import pure_core
from tests.mutants.running import RACES, run
from tests.mutants.variants import MUTANTS
from tests.support.paths import ROOT


def main(
    races: Annotated[int, typer.Option(help="races for each seed")] = RACES,
    only: Annotated[str, typer.Option(help="a part of the names to run")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="only those that CI runs")] = False,
    core: Annotated[bool, typer.Option(help="also mutate the pure core")] = True,
) -> None:
    """Run each mutant until the checker sees it; ends with 1 when one survives or the sound code has an anomaly."""
    console = Console(soft_wrap=True, highlight=False)
    with ExitStack() as stack:
        postgres = _postgres(stack)
        survived = _listed(console, postgres, races, only, quick)
    if core and not only:
        console.print("the pure core, by mutmut:")
        for line in pure_core.report(ROOT):
            console.print(f"  {line}")
    if survived:
        raise typer.Exit(1)


def _listed(console: Console, postgres: str, races: int, only: str, quick: bool) -> int:
    """How many mutants survive, counting the sound code as one when it has an anomaly."""
    chosen = [mutant for mutant in MUTANTS.values() if only in mutant.name and (mutant.quick or not quick)]
    sound = run("", "", postgres, races=races, seeds=(1,))
    console.print(f"the code as it is: {sound.operations} operations, {sound.found or 'no anomaly'}")
    killed = 0
    for number, mutant in enumerate(chosen, 1):
        began_s = time.monotonic()
        found = run(mutant.name, mutant.invariant, postgres, races=mutant.races or races).found
        killed += mutant.invariant in found
        seen = "seen by " + ", ".join(found) if mutant.invariant in found else "SURVIVED"
        took_s = time.monotonic() - began_s
        console.print(f"{number:2}/{len(chosen)} {mutant.name}: {mutant.mistake} → {seen} ({took_s:.0f} s)")
        for invariant, example in list(found.items())[:1]:
            console.print(f"       {invariant}: {example}")
    console.print(f"killed {killed} of {len(chosen)}")
    return len(chosen) - killed + bool(sound.found)


def _postgres(stack: ExitStack) -> str:
    state = stack.enter_context(claim_any(ROOT / ".lixiao" / "test"))
    running = obtain(Postgres(state.folder, durable=False))
    stack.callback(running.stop)
    return running.address


if __name__ == "__main__":
    typer.run(main)
