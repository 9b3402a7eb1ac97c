"""Run by scripts/s3-server: moto with a bucket, and a user who has the rights that docs/operations.md lists and no others."""

import json
import logging
import os
import sys

# The first four requests are free: they make the user. From then on signatures and rights count.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3
from moto.server import ThreadedMotoServer

logging.disable(logging.CRITICAL)
BUCKET = "alcyon-files"
RIGHTS = [
    {
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
        "Resource": f"arn:aws:s3:::{BUCKET}",
    },
    {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    },
]

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
free = {"endpoint_url": endpoint, "region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
iam = boto3.client("iam", **free)
boto3.client("s3", **free).create_bucket(Bucket=BUCKET)
iam.create_user(UserName="alcyon")
iam.put_user_policy(UserName="alcyon", PolicyName="files", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": RIGHTS}))
key = iam.create_access_key(UserName="alcyon")["AccessKey"]
print(
    json.dumps({"endpoint": endpoint, "bucket": BUCKET, "access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}),
    flush=True,
)
sys.stdin.read()
server.stop()
