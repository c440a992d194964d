"""What a CAS server says of a ticket, and what it must not be able to make us believe."""

from typing import Any

import pytest

from services.gateway.identity.cas.ticket_validation import MAX_ATTRIBUTES, TICKET, validated
from services.gateway.identity.errors import ProviderUnavailable, SignInRefused

NAMESPACE = "http://www.yale.edu/tp/cas"
SUCCESS = (
    "<cas:authenticationSuccess><cas:user>u-1</cas:user><cas:attributes>{attributes}</cas:attributes>{more}"
    "</cas:authenticationSuccess>"
)


def response(content: str, *, namespace: str = NAMESPACE, head: str = "") -> bytes:
    return f"{head}<cas:serviceResponse xmlns:cas='{namespace}'>{content}</cas:serviceResponse>".encode()


def success(attributes: str = "", more: str = "") -> bytes:
    return response(SUCCESS.format(attributes=attributes, more=more))


def test_the_account_and_its_attributes_are_read_as_the_server_writes_them() -> None:
    found = validated(
        success(
            "<cas:student_id>TS22010001</cas:student_id>\n  <cas:student_id> TS19010001 </cas:student_id>"
            "<cas:name>苏木槿 &amp; Co</cas:name><cas:empty/><cas:blank>  </cas:blank>"
        )
    )
    assert found.user == "u-1"
    assert found.attributes == {"student_id": ["TS22010001", "TS19010001"], "name": ["苏木槿 & Co"]}
    assert "u-1" not in repr(found)
    assert "TS22010001" not in repr(found)


def test_a_server_without_attributes_names_the_account_alone() -> None:
    only = response("<cas:authenticationSuccess><cas:user>u-1</cas:user></cas:authenticationSuccess>")
    assert (validated(only).user, validated(only).attributes) == ("u-1", {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_encoding_that_the_document_names_is_read(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?>" + success("<cas:name>苏木槿</cas:name>").decode()
    assert validated(text.encode(encoding)).attributes == {"name": ["苏木槿"]}


@pytest.mark.parametrize(
    "name", ["ad<!-- -->min", "<!--x-->admin", "admin<!--x-->", "adm<?x y?>in", "<![CDATA[ad]]>min"]
)
def test_what_is_no_text_neither_ends_nor_changes_a_name(name: str) -> None:
    document = response(f"<cas:authenticationSuccess><cas:user>{name}</cas:user></cas:authenticationSuccess>")
    assert validated(document).user == "admin"


def test_a_name_that_looks_like_xml_is_a_name() -> None:
    document = response(
        "<cas:authenticationSuccess><cas:user>a&lt;/cas:user&gt;&lt;cas:user&gt;b</cas:user></cas:authenticationSuccess>"
    )
    assert validated(document).user == "a</cas:user><cas:user>b"


USER = "<cas:user>u-1</cas:user>"
HOSTILE = {
    "nothing": b"",
    "no XML": b"yes\nu-1\n",
    "a page": b"<html><body>Sign in</body></html>",
    "cut off": success()[:-20],
    "another root": success().replace(b"serviceResponse", b"response"),
    "another namespace": response(SUCCESS.format(attributes="", more=""), namespace="http://evil.example/cas"),
    "no namespace": success().replace(b"cas:", b"").replace(b"xmlns:cas", b"xmlns:x"),
    "no outcome": response(""),
    "success twice": response(SUCCESS.format(attributes="", more="") * 2),
    "failure and success": response(
        "<cas:authenticationFailure code='INVALID_TICKET'/>" + SUCCESS.format(attributes="", more="")
    ),
    "success inside another element": response(f"<cas:x>{SUCCESS.format(attributes='', more='')}</cas:x>"),
    "no user": response("<cas:authenticationSuccess/>"),
    "an empty user": response("<cas:authenticationSuccess><cas:user> </cas:user></cas:authenticationSuccess>"),
    "two users": success(more=USER),
    "the user of another namespace": response(
        "<cas:authenticationSuccess><e:user xmlns:e='urn:e'>admin</e:user></cas:authenticationSuccess>"
    ),
    "an element inside the user": response(
        "<cas:authenticationSuccess><cas:user>ad<cas:x/>min</cas:user></cas:authenticationSuccess>"
    ),
    "attributes twice": success(more="<cas:attributes/>"),
    "by a proxy": success(more="<cas:proxies><cas:proxy>https://evil.example</cas:proxy></cas:proxies>"),
    "an internal entity": response(
        "<cas:authenticationSuccess><cas:user>&e;</cas:user></cas:authenticationSuccess>",
        head="<!DOCTYPE x [<!ENTITY e 'admin'>]>",
    ),
    "a file": response(
        "<cas:authenticationSuccess><cas:user>&e;</cas:user></cas:authenticationSuccess>",
        head="<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
    ),
    "a document type elsewhere": response(
        SUCCESS.format(attributes="", more=""), head="<!DOCTYPE x SYSTEM 'http://evil.example/x.dtd'>"
    ),
    "laughs": response(
        "<cas:authenticationSuccess><cas:user>&b;</cas:user></cas:authenticationSuccess>",
        head="<!DOCTYPE x [<!ENTITY a '" + "ha" * 99 + "'><!ENTITY b '" + "&a;" * 99 + "'>]>",
    ),
    "an unknown encoding": b"<?xml version='1.0' encoding='x-none'?>" + success(),
    "an encoding of several bytes": b"<?xml version='1.0' encoding='gb18030'?>" + success(),
    "bytes that are no text": success("<cas:name>\xff</cas:name>".encode("latin-1").decode("latin-1")).replace(
        "\xff".encode(), b"\xff\xfe"
    ),
    "a NUL": success("<cas:name>a\x00b</cas:name>"),
    "deep": response("<cas:x>" * 30_000 + "</cas:x>" * 30_000),
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_a_response_that_no_server_should_send_confirms_nobody(document: bytes) -> None:
    with pytest.raises(ProviderUnavailable, match="bad_answer"):
        validated(document)


def test_attributes_of_another_namespace_or_beyond_reason_are_left_out() -> None:
    many = "".join(f"<cas:a{n}>x</cas:a{n}>" for n in range(MAX_ATTRIBUTES + 50))
    assert len(validated(success(many)).attributes) == MAX_ATTRIBUTES
    assert validated(success("<roles xmlns='urn:e'>operator</roles>")).attributes == {}
    assert validated(success("<cas:roles>desk<cas:x>operator</cas:x></cas:roles>")).attributes == {}


@pytest.mark.parametrize(
    ("code", "refused", "reason"),
    [
        ("INVALID_TICKET", SignInRefused, "ticket_refused"),
        ("INVALID_SERVICE", SignInRefused, "ticket_refused"),
        ("INVALID_TICKET_SPEC", SignInRefused, "stale_authentication"),
        ("UNAUTHORIZED_SERVICE", ProviderUnavailable, "client_rejected"),
        ("INVALID_REQUEST", ProviderUnavailable, "bad_status"),
        ("INTERNAL_ERROR", ProviderUnavailable, "bad_status"),
        ("", ProviderUnavailable, "bad_status"),
    ],
)
def test_a_failure_is_named_by_its_code_alone(code: str, refused: Any, reason: str) -> None:
    document = response(f"<cas:authenticationFailure code='{code}'>Ticket 'ST-1' of u-1</cas:authenticationFailure>")
    with pytest.raises(refused) as caught:
        validated(document)
    assert str(caught.value) == reason


@pytest.mark.parametrize("ticket", ["ST-1-6a0YydPL69EIixqst-ifKy4cYqY-vm", "ST-1.example_x~"])
def test_a_service_ticket_has_its_prefix_and_plain_characters(ticket: str) -> None:
    assert TICKET.fullmatch(ticket)


@pytest.mark.parametrize(
    "ticket",
    ["", "ST-", "PT-1-x", "TGT-1-x", "st-1-x", "ST-1 x", "ST-1\n", "ST-1&renew=false", "ST-é", "ST-" + "x" * 254],
)
def test_what_is_no_service_ticket_is_not_asked_about(ticket: str) -> None:
    assert not TICKET.fullmatch(ticket)
