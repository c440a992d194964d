"""The simulator's pace."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.demo.simulator import MAX_PACE, Simulator
from deploy.local.installation import NOWHERE
from deploy.local.running_services import RunningServices
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import discover


def simulator(folder: Path, pace: float, clock: Callable[[], float] = lambda: 0.0) -> Simulator:
    services = RunningServices(folder, postgres="", kafka=KafkaConnection(""), zipkin="", namespace="t", departments={})
    return Simulator(services, ["TS1"], pace=pace, seed=1, clock=clock)


def with_unreachable_desks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setattr(RunningServices, "address", lambda self, name: NOWHERE)
    services = RunningServices(
        folder, postgres="", kafka=KafkaConnection(""), zipkin="", namespace="t", departments=discover()
    )
    return Simulator(services, ["TS1"], pace=1, seed=1)


@pytest.mark.parametrize("pace", [0, -1, MAX_PACE + 1])
def test_a_pace_outside_its_bounds_is_refused(pace: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pace"):
        simulator(tmp_path, pace)


def test_the_simulator_keeps_its_pace_and_makes_nothing_up_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, now_s = 0, 0.0

    def step(_: Simulator) -> None:
        nonlocal steps
        steps += 1

    monkeypatch.setattr(Simulator, "step", step)
    paced = simulator(tmp_path, 2, lambda: now_s)
    for tenth in range(100):
        now_s = tenth / 10
        paced.run_due()
    assert steps == pytest.approx(20, abs=1)
    now_s, steps = 3600.0, 0
    paced.run_due()
    assert steps <= 3


def test_a_closed_desk_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def look_up(_: Simulator, department: str, student_id: str) -> None:
        looked_up.append(department)

    monkeypatch.setattr(Simulator, "_look_up", look_up)
    simulated = with_unreachable_desks(tmp_path, monkeypatch)
    simulated.closed = frozenset(discover()) - {"dorm"}
    for _ in range(20):
        simulated.step()
    assert set(looked_up) == {"dorm"}
    simulated.closed = frozenset(discover())
    looked_up.clear()
    simulated.step()
    assert looked_up == []


def test_the_tally_says_why_an_operation_failed_and_not_whose_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = with_unreachable_desks(tmp_path, monkeypatch)
    simulated.closed = frozenset(discover()) - {"dorm"}
    assert str(simulated.tally) == "0 operations, 0 refused, 0 failed; last: none"
    simulated.step()
    assert str(simulated.tally) == "0 operations, 0 refused, 5 failed (dorm query: ConnectError); last: none"
