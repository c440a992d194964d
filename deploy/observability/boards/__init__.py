"""The dashboards, a module each."""

from typing import Final

from deploy.observability.boards.department import A_DEPARTMENT
from deploy.observability.boards.event_path import EVENT_PATH
from deploy.observability.boards.gateway import GATEWAY
from deploy.observability.boards.notices import NOTICES
from deploy.observability.boards.season import SEASON
from deploy.observability.boards.servers import SERVERS
from deploy.observability.boards.submissions import SUBMISSIONS

DASHBOARDS: Final = (SEASON, A_DEPARTMENT, EVENT_PATH, SUBMISSIONS, GATEWAY, SERVERS, NOTICES)
