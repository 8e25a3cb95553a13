"""A stub of an object storage: it checks presigned URLs as botocore computes them, and keeps objects in memory."""

from datetime import UTC, datetime, timedelta

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fastapi import FastAPI, Request, Response

objects: dict[str, bytes] = {}
app = FastAPI()


def is_allowed(request: Request) -> bool:
    """Tell whether a URL was signed for this method, path and these headers, and is not too old."""
    if "Authorization" in request.headers:
        return True  # a client of the storage itself; its signature is not the subject here
    query = dict(request.query_params)
    signature = query.pop("X-Amz-Signature", "")
    names = query.get("X-Amz-SignedHeaders", "").split(";")
    if not signature or not set(names) <= set(request.headers):
        return False
    headers = {name: request.headers[name] for name in names}
    url = f"http://{request.headers['Host']}{request.url.path}"
    asked = AWSRequest(method=request.method, url=url, headers=headers, params=query)
    asked.context["timestamp"] = query["X-Amz-Date"]
    signer = S3SigV4QueryAuth(Credentials("key", "secret"), "s3", "us-east-1")
    expected = signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked)
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return expected == signature and datetime.now(UTC) < signed_at + timedelta(seconds=int(query["X-Amz-Expires"]))


@app.api_route("/{bucket}/{key:path}", methods=["GET", "HEAD", "PUT"])
async def storage(request: Request, key: str) -> Response:
    if not is_allowed(request):
        return Response(status_code=403)
    if request.method == "PUT":
        objects[key] = await request.body()
        return Response()
    return Response(objects[key]) if key in objects else Response(status_code=404)
