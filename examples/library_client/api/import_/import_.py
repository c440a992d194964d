import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.import_body import ImportBody
from ...models.job import Job
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: ImportBody,
    source: None | str | Unset = UNSET,
    covers: list[str] | Unset = UNSET,
    as_of: datetime.datetime | None | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    params: dict[str, Any] = {}

    json_source: None | str | Unset
    if isinstance(source, Unset):
        json_source = UNSET
    else:
        json_source = source
    params["source"] = json_source

    json_covers: list[str] | Unset = UNSET
    if not isinstance(covers, Unset):
        json_covers = covers

    params["covers"] = json_covers

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
        "url": "/imports",
        "params": params,
    }

    _kwargs["files"] = body.to_multipart()

    headers["Content-Type"] = "multipart/form-data; boundary=+++"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Job | Problem:
    if response.status_code == 202:
        response_202 = Job.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

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

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

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
) -> Response[Job | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: ImportBody,
    source: None | str | Unset = UNSET,
    covers: list[str] | Unset = UNSET,
    as_of: datetime.datetime | None | Unset = UNSET,
) -> Response[Job | Problem]:
    """Upload a file of rows

     CSV (comma, semicolon or tab; UTF-8, UTF-16 or GB18030; headings in the first row), XLSX (one sheet,
    nothing hidden or merged; values, no formulas) or JSON lines (UTF-8). Ids are text: format their
    columns so. At most 20 MB and 200 000 rows. Each row is applied in full or rejected;
    `/imports/{job_id}/rows?state=rejected` lists the rejected ones with reasons. The same file uploaded
    again during its import is the same job; uploaded later, its rows are all `unchanged`.

    Columns: student_id (学号, XH, student id); card (证件状态); thesis (论文状态); loan_barcode (条码号);
    loan_returned (已还); loan_title (题名); loan_due_on (应还日期); fine_id (罚款编号); fine_amount (罚款金额);
    fine_paid (已缴金额); as_of (数据时间, as of). Required: student_id.

    Sources: `library-system` (图书馆系统 library system).

    Role: `desk:library`.

    Args:
        source (None | str | Unset): The system the file comes from, which says what its headings
            and words mean; without it the one that the headings fit.
        covers (list[str] | Unset): Cohorts (届别) of which the file is the complete list; `*` for
            every student on the roster. Once each row is applied, or its student known to be in
            doubt, students without a row are covered too.
        as_of (datetime.datetime | None | Unset): When the file was true, for example the export's
            time; its arrival without it. Rows that would undo something newer are left out as
            `outdated`.
        body (ImportBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Job | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        source=source,
        covers=covers,
        as_of=as_of,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: ImportBody,
    source: None | str | Unset = UNSET,
    covers: list[str] | Unset = UNSET,
    as_of: datetime.datetime | None | Unset = UNSET,
) -> Job | Problem | None:
    """Upload a file of rows

     CSV (comma, semicolon or tab; UTF-8, UTF-16 or GB18030; headings in the first row), XLSX (one sheet,
    nothing hidden or merged; values, no formulas) or JSON lines (UTF-8). Ids are text: format their
    columns so. At most 20 MB and 200 000 rows. Each row is applied in full or rejected;
    `/imports/{job_id}/rows?state=rejected` lists the rejected ones with reasons. The same file uploaded
    again during its import is the same job; uploaded later, its rows are all `unchanged`.

    Columns: student_id (学号, XH, student id); card (证件状态); thesis (论文状态); loan_barcode (条码号);
    loan_returned (已还); loan_title (题名); loan_due_on (应还日期); fine_id (罚款编号); fine_amount (罚款金额);
    fine_paid (已缴金额); as_of (数据时间, as of). Required: student_id.

    Sources: `library-system` (图书馆系统 library system).

    Role: `desk:library`.

    Args:
        source (None | str | Unset): The system the file comes from, which says what its headings
            and words mean; without it the one that the headings fit.
        covers (list[str] | Unset): Cohorts (届别) of which the file is the complete list; `*` for
            every student on the roster. Once each row is applied, or its student known to be in
            doubt, students without a row are covered too.
        as_of (datetime.datetime | None | Unset): When the file was true, for example the export's
            time; its arrival without it. Rows that would undo something newer are left out as
            `outdated`.
        body (ImportBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Job | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        source=source,
        covers=covers,
        as_of=as_of,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: ImportBody,
    source: None | str | Unset = UNSET,
    covers: list[str] | Unset = UNSET,
    as_of: datetime.datetime | None | Unset = UNSET,
) -> Response[Job | Problem]:
    """Upload a file of rows

     CSV (comma, semicolon or tab; UTF-8, UTF-16 or GB18030; headings in the first row), XLSX (one sheet,
    nothing hidden or merged; values, no formulas) or JSON lines (UTF-8). Ids are text: format their
    columns so. At most 20 MB and 200 000 rows. Each row is applied in full or rejected;
    `/imports/{job_id}/rows?state=rejected` lists the rejected ones with reasons. The same file uploaded
    again during its import is the same job; uploaded later, its rows are all `unchanged`.

    Columns: student_id (学号, XH, student id); card (证件状态); thesis (论文状态); loan_barcode (条码号);
    loan_returned (已还); loan_title (题名); loan_due_on (应还日期); fine_id (罚款编号); fine_amount (罚款金额);
    fine_paid (已缴金额); as_of (数据时间, as of). Required: student_id.

    Sources: `library-system` (图书馆系统 library system).

    Role: `desk:library`.

    Args:
        source (None | str | Unset): The system the file comes from, which says what its headings
            and words mean; without it the one that the headings fit.
        covers (list[str] | Unset): Cohorts (届别) of which the file is the complete list; `*` for
            every student on the roster. Once each row is applied, or its student known to be in
            doubt, students without a row are covered too.
        as_of (datetime.datetime | None | Unset): When the file was true, for example the export's
            time; its arrival without it. Rows that would undo something newer are left out as
            `outdated`.
        body (ImportBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Job | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        source=source,
        covers=covers,
        as_of=as_of,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: ImportBody,
    source: None | str | Unset = UNSET,
    covers: list[str] | Unset = UNSET,
    as_of: datetime.datetime | None | Unset = UNSET,
) -> Job | Problem | None:
    """Upload a file of rows

     CSV (comma, semicolon or tab; UTF-8, UTF-16 or GB18030; headings in the first row), XLSX (one sheet,
    nothing hidden or merged; values, no formulas) or JSON lines (UTF-8). Ids are text: format their
    columns so. At most 20 MB and 200 000 rows. Each row is applied in full or rejected;
    `/imports/{job_id}/rows?state=rejected` lists the rejected ones with reasons. The same file uploaded
    again during its import is the same job; uploaded later, its rows are all `unchanged`.

    Columns: student_id (学号, XH, student id); card (证件状态); thesis (论文状态); loan_barcode (条码号);
    loan_returned (已还); loan_title (题名); loan_due_on (应还日期); fine_id (罚款编号); fine_amount (罚款金额);
    fine_paid (已缴金额); as_of (数据时间, as of). Required: student_id.

    Sources: `library-system` (图书馆系统 library system).

    Role: `desk:library`.

    Args:
        source (None | str | Unset): The system the file comes from, which says what its headings
            and words mean; without it the one that the headings fit.
        covers (list[str] | Unset): Cohorts (届别) of which the file is the complete list; `*` for
            every student on the roster. Once each row is applied, or its student known to be in
            doubt, students without a row are covered too.
        as_of (datetime.datetime | None | Unset): When the file was true, for example the export's
            time; its arrival without it. Rows that would undo something newer are left out as
            `outdated`.
        body (ImportBody):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Job | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            source=source,
            covers=covers,
            as_of=as_of,
        )
    ).parsed
