"""Verifies requests with the Standard Webhooks library of Python: a list of them as JSON in, a line each out."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

for request in json.load(sys.stdin):
    try:
        Webhook(request["secret"]).verify(request["body"], request["headers"])
        print("valid")
    except WebhookVerificationError as error:
        print(f"refused: {error}")
