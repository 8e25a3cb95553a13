#!/usr/bin/env bash
# Versions: httpx 0.28.1 and httpx2 2.16.2. Python 3.11.
#
# Belief: `Client(params={"api_key": ...})` adds the key to each request, beside the query that its URL already has; so
# a loop over the `next` links of an API can use that client.
#
# Observed: parameters replace the whole query of the URL. A client with parameters sends a `next` link without its
# `page`, the API answers with the first page again, and the loop reads page 1 until its bound. `get(url, params={...})`
# does the same to the query of one URL, and `params={}` removes it. Nothing says so; only the parameters of the client
# and those of the call are merged. A key in a header keeps the query, and so does `url.copy_merge_params({...})` on a
# client without parameters.
#
# Output:
#   httpx: without parameters pages 1 2 3, with parameters pages 1 1 1 1 1
#   httpx2: without parameters pages 1 2 3, with parameters pages 1 1 1 1 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/pages.py" <<'PROGRAM'
import httpx
import httpx2


def pages(library, **of_client) -> str:
    def answer(request):
        page = int(request.url.params.get("page", 1))
        return library.Response(200, json={"page": page, "next": f"/items?page={page + 1}" if page < 3 else None})

    client = library.Client(base_url="http://api.invalid", transport=library.MockTransport(answer), **of_client)
    read, link = [], "/items"
    while link and len(read) < 5:
        body = client.get(link).json()
        read.append(str(body["page"]))
        link = body["next"]
    return " ".join(read)


for library in (httpx, httpx2):
    plain, with_key = pages(library), pages(library, params={"api_key": "k"})
    print(f"{library.__name__}: without parameters pages {plain}, with parameters pages {with_key}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check httpx==0.28.1 httpx2==2.16.2
found=$("$folder/venv/bin/python" "$folder/pages.py")
echo "$found"
[[ $found == $'httpx: without parameters pages 1 2 3, with parameters pages 1 1 1 1 1
httpx2: without parameters pages 1 2 3, with parameters pages 1 1 1 1 1' ]]
