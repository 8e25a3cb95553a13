"""Errors as problem JSON: the status, a stable code for machines, a sentence for people, and nothing of the input."""

import json

from app.request.identity import request_id
from app.web.problem import problem_response

request_id.set("example-0001")
answer = problem_response(404, "There is no order 7.")

assert answer.status_code == 404
assert answer.media_type == "application/problem+json"
assert json.loads(answer.body) == {
    "type": "about:blank",
    "code": "not_found",
    "title": "Not found",
    "status": 404,
    "detail": "There is no order 7.",
    "request_id": "example-0001",
}
