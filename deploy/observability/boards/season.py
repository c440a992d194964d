"""How far the season is."""

from typing import Final

from deploy.observability.boards.shared import ATTEMPTS, FRESHNESS
from deploy.observability.panels import COUNT, Dashboard, Panel, Query, Row

SEASON: Final = Dashboard(
    "season",
    "Season",
    (
        Row(
            "Where the students are",
            (
                Panel(
                    "Cases by state",
                    "Completed grows towards open as the season goes on.",
                    COUNT,
                    (Query("max by (state) (lixiao_cases)", "{{state}}"),),
                ),
                Panel(
                    "Students a department keeps",
                    "Students with an open check there. A line that does not fall for days is the bottleneck.",
                    COUNT,
                    (Query("max by (department) (lixiao_open_statuses)", "{{department}}"),),
                ),
                Panel(
                    "Open questions of imports",
                    "Refused rows and files whose students wait for an answer. Zero in a good week.",
                    COUNT,
                    (Query("sum by (department, about) (lixiao_open_questions)", "{{department}}: {{about}}"),),
                ),
            ),
        ),
        Row("What happens", (ATTEMPTS, FRESHNESS)),
    ),
)
