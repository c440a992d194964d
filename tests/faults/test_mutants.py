"""Whether the checker looks: the product with a mistake in it, each seen. `make mutants` runs all of them."""

import pytest

from deploy.local.servers.server import Running
from tests.mutants.running import run
from tests.mutants.variants import MUTANTS, Mutant
from tests.support.in_process.races import simulated_races

RACES = 20
QUICK = [mutant for mutant in MUTANTS.values() if mutant.quick]


async def test_simulated_races_break_nothing(postgres: Running) -> None:
    anomalies, operations = await simulated_races(postgres.address, RACES, seed=1)
    assert anomalies == []
    assert operations > RACES


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_the_checker_sees_a_mistake(postgres: Running, mutant: Mutant) -> None:
    assert mutant.invariant in run(mutant.name, mutant.invariant, postgres.address, races=RACES).found
