"""统一身份认证 of the demo: a small OpenID Connect provider with invented people, never for production."""
