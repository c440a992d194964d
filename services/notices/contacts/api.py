"""Contacts over HTTP: for the system that has the addresses, and for the gateway. Student ids are in bodies only."""

from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.kit.audit.log import append_entry, append_look_up
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import Problem, problem_responses
from services.kit.message_format import Language
from services.kit.names import CONTACTS
from services.kit.operations import StudentQuery
from services.notices.contacts.body import ContactBody
from services.notices.news.channels import Channel
from services.notices.tables import contacts


class ContactAnswer(BaseModel):
    mail: str | None
    wecom: str | None
    dingtalk: str | None
    language: Language
    muted: tuple[Channel, ...]
    own: bool


class ContactKept(BaseModel):
    """`kept` is false where the student's own choice stands."""

    kept: bool


def contacts_router(pool: "asyncpg.Pool[Any]") -> APIRouter:
    """Role `contacts`."""
    writer = require(CONTACTS)
    Writer = Annotated[Principal, Depends(writer)]
    router = APIRouter(prefix="/contacts", tags=["contacts"], responses=problem_responses(401, 403, 404, 422, 503))

    @router.put("", summary="Keep where a student is written to", operation_id="keep-contact")
    async def keep(body: ContactBody, principal: Writer) -> ContactKept:
        """By the system that has the addresses. What a student has chosen stands, and `kept` is false."""
        async with pool.acquire() as connection, connection.transaction():
            kept = await contacts.keep(connection, body.student_id, body.contact())
            await append_entry(
                connection,
                actor=principal.name,
                act="contact.keep",
                outcome="kept" if kept else "own-stands",
                student_id=body.student_id,
            )
        return ContactKept(kept=kept)

    @router.post("/query", summary="Read where a student is written to", operation_id="query-contact")
    async def query(body: StudentQuery, principal: Writer) -> ContactAnswer:
        """Addresses, language, and the channels that the student has switched off. Who read it is audited."""
        async with pool.acquire() as connection:
            await append_look_up(connection, actor=principal.name, act="contact.query", students=[body.student_id])
            found = await contacts.contact_of(connection, body.student_id)
        if found is None:
            raise Problem(404, "no-contact", "No address of this student is kept")
        muted: tuple[Any, ...] = found.muted
        return ContactAnswer(
            mail=found.mail,
            wecom=found.wecom,
            dingtalk=found.dingtalk,
            language=found.language,
            muted=muted,
            own=found.own,
        )

    return router
