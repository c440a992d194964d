"""The identity provider of the gateway's settings."""

import httpx

from services.gateway.identity.cas.client import CasClient, CasSettings
from services.gateway.identity.oidc.client import OpenIdClient
from services.gateway.identity.oidc.discovery import OpenIdSettings
from services.gateway.identity.provider import IdentityProvider
from services.gateway.settings import GatewaySettings


def identity_provider(http: httpx.AsyncClient, settings: GatewaySettings) -> IdentityProvider:
    if settings.sign_in == "cas":
        return CasClient(http, _cas(settings))
    return OpenIdClient(http, _openid(settings))


def _cas(settings: GatewaySettings) -> CasSettings:
    return CasSettings(
        server=settings.cas_server,
        student_id_attribute=settings.cas_student_id_attribute,
        roles_attribute=settings.cas_roles_attribute,
        name_attribute=settings.cas_name_attribute,
        timeout_s=settings.sign_in_timeout_s,
    )


def _openid(settings: GatewaySettings) -> OpenIdSettings:
    return OpenIdSettings(
        issuer=settings.openid_issuer,
        client_id=settings.openid_client_id,
        client_secret=settings.openid_client_secret,
        client_secret_file=settings.openid_client_secret_file,
        client_authentication=settings.openid_client_authentication,
        scope=settings.openid_scope,
        student_id_claim=settings.openid_student_id_claim,
        roles_claim=settings.openid_roles_claim,
        userinfo=settings.openid_userinfo,
        timeout_s=settings.sign_in_timeout_s,
    )
