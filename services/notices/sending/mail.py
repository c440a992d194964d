"""Mail by SMTP, over TLS.

SMTP confirms that a server took a message, not that it arrived. If a confirmation is lost, the same message is sent
again under its Message-ID, by which mail systems may drop the second.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final

import aiosmtplib

from services.kit.secret_files import NoSecret, secret_of
from services.notices.news.channels import Channel
from services.notices.sending.transport import ChannelDown, MessageRefused, Outgoing, Send
from services.notices.settings import NoticeSettings

_BATCH: Final = 50
_PERMANENT: Final = 500


class MailTransport:
    channel: Channel = "mail"
    batch = _BATCH

    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings
        self._from = settings.mail_from or ""
        self._domain = parseaddr(self._from)[1].rpartition("@")[2]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        client = self._client()
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, NoSecret) as error:
            client.close()
            raise ChannelDown(type(error).__name__) from None

        async def send(message: Outgoing) -> None:
            await _send(client, self._written(message))

        try:
            yield send
        finally:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        """Certificates are checked. Raises `ChannelDown`."""
        known = self._settings
        try:
            password = secret_of(None, known.smtp_password_file)
            context = None if known.smtp_tls == "none" else ssl.create_default_context(cafile=known.authorities)
        except (NoSecret, OSError) as error:
            raise ChannelDown(type(error).__name__) from None
        return aiosmtplib.SMTP(
            hostname=known.smtp_host,
            port=known.smtp_port,
            username=known.smtp_username,
            password=password,
            timeout=known.notice_timeout_s,
            use_tls=known.smtp_tls == "tls",
            start_tls=known.smtp_tls == "starttls",
            tls_context=context,
            # Not this machine's own name: it is nobody's business.
            local_hostname=self._domain,
        )

    def _written(self, outgoing: Outgoing) -> EmailMessage:
        """Raises `MessageRefused` for an address that no header can have, or that one reads as another: `=?…?=`."""
        message = EmailMessage()
        try:
            message["From"] = self._from
            message["To"] = outgoing.address
            message["Subject"] = outgoing.subject
        except (ValueError, LookupError):
            raise MessageRefused("address", final=True) from None
        if [each.addr_spec for each in message["To"].addresses] != [outgoing.address]:
            raise MessageRefused("address", final=True)
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{outgoing.notice_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(outgoing.body, charset="utf-8", cte="base64")
        return message


async def _send(client: aiosmtplib.SMTP, message: EmailMessage) -> None:
    try:
        await client.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [each.code for each in error.recipients]
        raise MessageRefused("recipient", final=all(code >= _PERMANENT for code in codes)) from None
    except aiosmtplib.SMTPDataError as error:
        raise MessageRefused(f"data {error.code}", final=error.code >= _PERMANENT) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise ChannelDown(type(error).__name__) from None
