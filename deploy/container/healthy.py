"""`lixiao healthy`: whether the service of this container is ready; for health checks that run inside."""

import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

TIMEOUT_S = 5


def main() -> None:
    secrets = Path(os.environ.get("LIXIAO_SECRETS_FOLDER", "/secrets"))
    tls = bool(os.environ.get("LIXIAO_TLS_CERTIFICATE"))
    url = f"http{'s' if tls else ''}://localhost:{os.environ.get('LIXIAO_HTTP_PORT', '8080')}/health/ready"
    authority = ssl.create_default_context(cafile=secrets / "authority.pem") if tls else None
    try:
        # Not by a proxy of the environment, which engines hand on to their containers.
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=authority)]
        urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT_S).close()
    except (OSError, urllib.error.HTTPError) as error:
        sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    main()
