"""A real Apereo CAS: accounts and attributes in files, and the gateway as its one service."""

import json
from pathlib import Path
from typing import Final

from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.processes.process import Process, answers_ok
from deploy.local.servers import jars
from tests.support.identity.java_servers import START_TIMEOUT_S, unpacked

HEAP_MB: Final = 512
SERVICE: Final = Path(__file__).with_name("cas-service.json")
ACCOUNTS: Final[dict[str, dict[str, list[str]]]] = {
    "student": {"student_id": ["TS22010001"], "name": ["苏木槿"]},
    "returned": {"student_id": ["TS22010002", "TS19010002"], "name": ["温如言"]},
    "clerk": {"roles": ["certificate-desk", "desk:library"], "name": ["方石"]},
    "guest": {"name": ["甲某"]},
}


class ApereoCas:
    """`stop` its process."""

    def __init__(self, state: Path) -> None:
        home, port, folder = unpacked("cas"), free_port(), state / "cas"
        self.address = f"http://{LOOPBACK}:{port}/cas"
        (folder / "services").mkdir(parents=True, exist_ok=True)
        # The file of the documents, for any port of this machine.
        service = SERVICE.read_text("utf-8").replace(
            r"https://lixiao\\.example\\.edu", r"http://127\\.0\\.0\\.1:[0-9]+"
        )
        (folder / "services" / "lixiao-1001.json").write_text(service, "utf-8")
        (folder / "people.json").write_text(json.dumps(ACCOUNTS), "utf-8")
        settings = {
            "server.port": port,
            "server.address": LOOPBACK,
            "server.ssl.enabled": "false",
            "server.servlet.context-path": "/cas",
            "cas.server.name": f"http://{LOOPBACK}:{port}",
            "cas.server.prefix": self.address,
            "cas.authn.accept.users": ",".join(f"{name}::password of {name}" for name in ACCOUNTS),
            "cas.authn.attribute-repository.json[0].location": f"file:{folder}/people.json",
            "cas.service-registry.core.init-from-json": "true",
            "cas.service-registry.json.location": f"file:{folder}/services",
            "cas.logout.follow-service-redirects": "true",
            "cas.tgc.secure": "false",
        }
        (folder / "cas.properties").write_text("\n".join(f"{name}={value}" for name, value in settings.items()))
        self.process = Process(
            "CAS",
            jars.java(
                HEAP_MB,
                "-XX:TieredStopAtLevel=1",
                *("-cp", f"{home}/WEB-INF/classes:{home}/WEB-INF/lib/*", "org.apereo.cas.web.CasWebApplication"),
                f"--cas.standalone.configuration-directory={folder}",
            ),
            log=state / "cas.log",
            cwd=folder,
            ready=lambda: answers_ok(f"{self.address}/login"),
        )

    def start(self) -> None:
        self.process.start().wait_ready(START_TIMEOUT_S)
