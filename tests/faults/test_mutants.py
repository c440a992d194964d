"""Whether the checker looks: wrong variants of the product on the stage, each seen. `make mutants` runs all of them."""

from pathlib import Path

import pytest

from deploy.local.servers.obtain import RunningPostgres
from tests.faults.simulated import simulated
from tests.mutants.running import applied, copied, run
from tests.mutants.variants import MUTANTS, Mutant

RACES = 30
QUICK = [mutant for mutant in MUTANTS if mutant.quick]


async def test_races_on_the_stage_break_nothing(postgres: RunningPostgres) -> None:
    anomalies, operations = await simulated(postgres.dsn, RACES, seed=1)
    assert anomalies == []
    assert operations > RACES


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_the_checker_sees_a_mistake(postgres: RunningPostgres, mutant: Mutant) -> None:
    assert run(mutant, postgres.dsn, races=RACES).found


def test_every_mutant_still_fits_the_code(tmp_path: Path) -> None:
    for number, mutant in enumerate(MUTANTS):
        copied(tmp_path / str(number), mutant.files)
        applied(tmp_path / str(number), mutant.edits)
