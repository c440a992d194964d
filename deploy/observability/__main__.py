"""`python -m deploy.observability`: writes the dashboards and the alerts."""

from pathlib import Path
from typing import Final

from deploy.observability.alerts import rules
from deploy.observability.boards import DASHBOARDS
from deploy.observability.grafana import grafana_json

FOLDER: Final = Path(__file__).parent


def files() -> dict[Path, str]:
    """What is generated, by path below this folder."""
    boards = {Path("dashboards") / f"{board.name}.json": grafana_json(board) for board in DASHBOARDS}
    return {**boards, Path("alerts.yml"): rules()}


def main() -> None:
    for path, text in files().items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")
        print(FOLDER.name, path)


if __name__ == "__main__":
    main()
