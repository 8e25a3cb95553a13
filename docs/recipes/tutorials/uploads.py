import os

import boto3
from fastapi import FastAPI, UploadFile

app = FastAPI()
s3 = boto3.client("s3", endpoint_url=os.environ["S3_URL"])


@app.post("/uploads")
async def upload(file: UploadFile):
    s3.upload_fileobj(file.file, os.environ["S3_BUCKET"], file.filename)
    return {"size": file.size}
