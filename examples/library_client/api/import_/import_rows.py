from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.import_rows_state_type_0 import ImportRowsStateType0
from ...models.problem import Problem
from ...models.rows import Rows
from ...models.standing import Standing
from ...types import UNSET, Response, Unset


def _get_kwargs(
    job_id: UUID,
    *,
    state: ImportRowsStateType0 | None | Unset = UNSET,
    standing: None | Standing | Unset = UNSET,
    after: int | Unset = 0,
    limit: int | Unset = 100,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_state: None | str | Unset
    if isinstance(state, Unset):
        json_state = UNSET
    elif isinstance(state, ImportRowsStateType0):
        json_state = state.value
    else:
        json_state = state
    params["state"] = json_state

    json_standing: None | str | Unset
    if isinstance(standing, Unset):
        json_standing = UNSET
    elif isinstance(standing, Standing):
        json_standing = standing.value
    else:
        json_standing = standing
    params["standing"] = json_standing

    params["after"] = after

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/imports/{job_id}/rows".format(
            job_id=quote(str(job_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | Rows:
    if response.status_code == 200:
        response_200 = Rows.from_dict(response.json())

        return response_200

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

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
) -> Response[Problem | Rows]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    job_id: UUID,
    *,
    client: AuthenticatedClient,
    state: ImportRowsStateType0 | None | Unset = UNSET,
    standing: None | Standing | Unset = UNSET,
    after: int | Unset = 0,
    limit: int | Unset = 100,
) -> Response[Problem | Rows]:
    """List the results of an import's rows

     In the file's order, with the reasons of rejected ones; `state` and `standing` narrow the list.

    Role: `desk:library`.

    Args:
        job_id (UUID):
        state (ImportRowsStateType0 | None | Unset):
        standing (None | Standing | Unset):
        after (int | Unset):  Default: 0.
        limit (int | Unset):  Default: 100.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Rows]
    """

    kwargs = _get_kwargs(
        job_id=job_id,
        state=state,
        standing=standing,
        after=after,
        limit=limit,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    job_id: UUID,
    *,
    client: AuthenticatedClient,
    state: ImportRowsStateType0 | None | Unset = UNSET,
    standing: None | Standing | Unset = UNSET,
    after: int | Unset = 0,
    limit: int | Unset = 100,
) -> Problem | Rows | None:
    """List the results of an import's rows

     In the file's order, with the reasons of rejected ones; `state` and `standing` narrow the list.

    Role: `desk:library`.

    Args:
        job_id (UUID):
        state (ImportRowsStateType0 | None | Unset):
        standing (None | Standing | Unset):
        after (int | Unset):  Default: 0.
        limit (int | Unset):  Default: 100.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Rows
    """

    return sync_detailed(
        job_id=job_id,
        client=client,
        state=state,
        standing=standing,
        after=after,
        limit=limit,
    ).parsed


async def asyncio_detailed(
    job_id: UUID,
    *,
    client: AuthenticatedClient,
    state: ImportRowsStateType0 | None | Unset = UNSET,
    standing: None | Standing | Unset = UNSET,
    after: int | Unset = 0,
    limit: int | Unset = 100,
) -> Response[Problem | Rows]:
    """List the results of an import's rows

     In the file's order, with the reasons of rejected ones; `state` and `standing` narrow the list.

    Role: `desk:library`.

    Args:
        job_id (UUID):
        state (ImportRowsStateType0 | None | Unset):
        standing (None | Standing | Unset):
        after (int | Unset):  Default: 0.
        limit (int | Unset):  Default: 100.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Rows]
    """

    kwargs = _get_kwargs(
        job_id=job_id,
        state=state,
        standing=standing,
        after=after,
        limit=limit,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    job_id: UUID,
    *,
    client: AuthenticatedClient,
    state: ImportRowsStateType0 | None | Unset = UNSET,
    standing: None | Standing | Unset = UNSET,
    after: int | Unset = 0,
    limit: int | Unset = 100,
) -> Problem | Rows | None:
    """List the results of an import's rows

     In the file's order, with the reasons of rejected ones; `state` and `standing` narrow the list.

    Role: `desk:library`.

    Args:
        job_id (UUID):
        state (ImportRowsStateType0 | None | Unset):
        standing (None | Standing | Unset):
        after (int | Unset):  Default: 0.
        limit (int | Unset):  Default: 100.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Rows
    """

    return (
        await asyncio_detailed(
            job_id=job_id,
            client=client,
            state=state,
            standing=standing,
            after=after,
            limit=limit,
        )
    ).parsed
