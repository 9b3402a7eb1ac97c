"""Run by scripts/tus-client: tuspy against a server in a process of its own, which is killed in the middle."""

import base64
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import urllib.request

from tusclient import client as tus
from tusclient.exceptions import TusCommunicationError


def start(program, folder, listen="127.0.0.1:0"):
    process = subprocess.Popen([program, "--listen", listen], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={})
    line = process.stdout.readline().decode().strip()
    return process, line.rsplit(" ", 1)[1]


def blob_of(upload):
    """The blob's id is a hash of the upload's secret."""
    secret = base64.b32decode(upload.rsplit("/", 1)[1].upper() + "====")
    return base64.b32encode(hashlib.sha256(b"alcyon blob v1" + secret).digest()).decode().rstrip("=").lower()


def main(program):
    content = os.urandom(3_000_001)
    with tempfile.TemporaryDirectory() as folder:
        process, url = start(program, folder)
        try:
            client = tus.TusClient(f"{url}/v1/blobs")
            uploader = client.uploader(file_stream=io.BytesIO(content), chunk_size=250_000)
            uploader.upload(stop_at=1_000_000)
            assert uploader.offset == 1_000_000, uploader.offset
            process.kill()
            process.wait()
            process, _ = start(program, folder, url.removeprefix("http://"))
            # Another program, which knows the upload's URL alone, goes on.
            again = client.uploader(file_stream=io.BytesIO(content), chunk_size=400_000, url=uploader.url)
            assert again.offset == 1_000_000, again.offset
            again.upload()
            read = f"{url}/v1/blobs/{blob_of(uploader.url)}"
            assert urllib.request.urlopen(read).read() == content
            part = urllib.request.Request(read, headers={"Range": "bytes=1234567-2345678"})
            assert urllib.request.urlopen(part).read() == content[1_234_567:2_345_679]
            # All of it in one request.
            whole = client.uploader(file_stream=io.BytesIO(content))
            whole.upload()
            assert whole.offset == len(content)
            try:
                client.uploader(file_stream=io.BytesIO(b"")).upload()
                raise AssertionError("an empty blob was taken")
            except TusCommunicationError as error:
                assert error.status_code == 400, error.status_code
        finally:
            process.kill()
            process.wait()
    print("tuspy uploads, breaks off, takes up again after a kill, and reads back")


main(sys.argv[1])
