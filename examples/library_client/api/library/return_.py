import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.desk_answer import DeskAnswer
from ...models.problem import Problem
from ...models.return_body import ReturnBody
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: ReturnBody,
    as_of: datetime.datetime | None | Unset = UNSET,
    idempotency_key: str,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    headers["Idempotency-Key"] = idempotency_key

    params: dict[str, Any] = {}

    json_as_of: None | str | Unset
    if isinstance(as_of, Unset):
        json_as_of = UNSET
    elif isinstance(as_of, datetime.datetime):
        json_as_of = as_of.isoformat()
    else:
        json_as_of = as_of
    params["as_of"] = json_as_of

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/operations/return",
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> DeskAnswer | Problem:
    if response.status_code == 200:
        response_200 = DeskAnswer.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 423:
        response_423 = Problem.from_dict(response.json())

        return response_423

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[DeskAnswer | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: ReturnBody,
    as_of: datetime.datetime | None | Unset = UNSET,
    idempotency_key: str,
) -> Response[DeskAnswer | Problem]:
    """Return a book

     Changes the student's record and publishes what follows from it, in one transaction.

    A repeated request with the same `Idempotency-Key` gets the same answer and changes nothing. 409
    where the
    department's rules do not allow it, with the reason.

    Role: `desk:library`.

    Args:
        as_of (datetime.datetime | None | Unset): When this was true, for a request that comes
            later than what it is about: it is refused if it would undo something newer. Now without
            it.
        idempotency_key (str): A key of the caller's choice for this request, for example a UUID.
            A repeated request with the same key and body gets the same answer and has no further
            effect.
        body (ReturnBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DeskAnswer | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        as_of=as_of,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: ReturnBody,
    as_of: datetime.datetime | None | Unset = UNSET,
    idempotency_key: str,
) -> DeskAnswer | Problem | None:
    """Return a book

     Changes the student's record and publishes what follows from it, in one transaction.

    A repeated request with the same `Idempotency-Key` gets the same answer and changes nothing. 409
    where the
    department's rules do not allow it, with the reason.

    Role: `desk:library`.

    Args:
        as_of (datetime.datetime | None | Unset): When this was true, for a request that comes
            later than what it is about: it is refused if it would undo something newer. Now without
            it.
        idempotency_key (str): A key of the caller's choice for this request, for example a UUID.
            A repeated request with the same key and body gets the same answer and has no further
            effect.
        body (ReturnBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DeskAnswer | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        as_of=as_of,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: ReturnBody,
    as_of: datetime.datetime | None | Unset = UNSET,
    idempotency_key: str,
) -> Response[DeskAnswer | Problem]:
    """Return a book

     Changes the student's record and publishes what follows from it, in one transaction.

    A repeated request with the same `Idempotency-Key` gets the same answer and changes nothing. 409
    where the
    department's rules do not allow it, with the reason.

    Role: `desk:library`.

    Args:
        as_of (datetime.datetime | None | Unset): When this was true, for a request that comes
            later than what it is about: it is refused if it would undo something newer. Now without
            it.
        idempotency_key (str): A key of the caller's choice for this request, for example a UUID.
            A repeated request with the same key and body gets the same answer and has no further
            effect.
        body (ReturnBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DeskAnswer | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        as_of=as_of,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: ReturnBody,
    as_of: datetime.datetime | None | Unset = UNSET,
    idempotency_key: str,
) -> DeskAnswer | Problem | None:
    """Return a book

     Changes the student's record and publishes what follows from it, in one transaction.

    A repeated request with the same `Idempotency-Key` gets the same answer and changes nothing. 409
    where the
    department's rules do not allow it, with the reason.

    Role: `desk:library`.

    Args:
        as_of (datetime.datetime | None | Unset): When this was true, for a request that comes
            later than what it is about: it is refused if it would undo something newer. Now without
            it.
        idempotency_key (str): A key of the caller's choice for this request, for example a UUID.
            A repeated request with the same key and body gets the same answer and has no further
            effect.
        body (ReturnBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DeskAnswer | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            as_of=as_of,
            idempotency_key=idempotency_key,
        )
    ).parsed
