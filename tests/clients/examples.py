"""The examples of the API document, and the settings with which they run against a service."""

from __future__ import annotations

from tests.support.service import Service

# From the list document, as they stand there.
PYTHON_EXAMPLE = """\
from cloakrai import CloakrClient
import os

client = CloakrClient(api_key=os.getenv('CLOAKR_API_KEY'))

models = client.models()
print(models)
"""
JAVASCRIPT_EXAMPLE = """\
import { CloakrClient } from '@cloakrai/sdk';

const client = new CloakrClient({
apiKey: process.env.CLOAKR_API_KEY
});

const models = await client.models();
console.log(models);
"""


def settings(service: Service) -> dict[str, str]:
    return {"CLOAKR_API_KEY": service.keys.reader, "CLOAKR_BASE_URL": f"http://{service.place.http}"}
