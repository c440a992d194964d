"""`make mutants`: break the product in every listed way, and show which check sees it."""

import time
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.obtain import obtain_postgres
from tests.mutants.running import RACES, run
from tests.mutants.variants import MUTANTS, Mutant
from tests.support.paths import ROOT

SOUND = Mutant("no mutant", "the code as it is", ())


def main(
    races: Annotated[int, typer.Option(help="races for each seed")] = RACES,
    only: Annotated[str, typer.Option(help="a part of the names to run")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="only those that CI runs")] = False,
) -> None:
    """Run each mutant until the checker sees it; ends with 1 when one survives or the sound code has an anomaly."""
    console = Console(soft_wrap=True, highlight=False)
    chosen = [mutant for mutant in MUTANTS if only in mutant.name and (mutant.quick or not quick)]
    with ExitStack() as stack:
        postgres = _postgres(stack)
        sound = run(SOUND, postgres, races=races, seeds=(1,))
        console.print(f"the code as it is: {sound.operations} operations, {sound.found or 'no anomaly'}")
        killed = 0
        for number, mutant in enumerate(chosen, 1):
            began_s = time.monotonic()
            verdict = run(mutant, postgres, races=races)
            killed += bool(verdict.found)
            seen = "seen by " + ", ".join(verdict.found) if verdict.found else "SURVIVED"
            console.print(
                f"{number:2}/{len(chosen)} {mutant.name}: {mutant.what} → {seen} ({time.monotonic() - began_s:.0f} s)"
            )
            for name, example in list(verdict.found.items())[:1]:
                console.print(f"       {name}: {example}")
    console.print(f"killed {killed} of {len(chosen)}")
    if killed < len(chosen) or sound.found:
        raise typer.Exit(1)


def _postgres(stack: ExitStack) -> str:
    state = claim_any(ROOT / ".lixiao" / "test")
    stack.callback(state.release)
    running = obtain_postgres(state.folder, durable=False)
    if running.server:
        stack.callback(running.server.stop)
    return running.dsn


if __name__ == "__main__":
    typer.run(main)
