"""The examples of the API documents, and the settings with which they run against a service."""

from __future__ import annotations

from tests.support.harness import ROOT
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
# The two documents' own, which name hosts that this service is not.
LIST_CURL = """\
curl -X GET https://api.cloakr.ai/v1/models \\
-H "Authorization: Bearer $CLOAKR_API_KEY" \\
-H "Content-Type: application/json"
"""
GET_CURL = """\
curl --request GET \\
  --url https://api.cuadra.ai/v1/models/{model_id} \\
  --header 'Authorization: Bearer <token>'
"""
PYTHON_README = ROOT / "src/cloakrai/README.md"
JAVASCRIPT_README = ROOT / "src/cloakrai-js/README.md"


def settings(service: Service) -> dict[str, str]:
    return {"CLOAKR_API_KEY": service.keys.reader, "CLOAKR_BASE_URL": f"http://{service.place.http}"}
