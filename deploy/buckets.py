"""Makes buckets where they are missing, once the store answers: python deploy/buckets.py NAME..."""

import sys
import time

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError

PATIENCE = 60  # seconds for the store to start
THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def make(name: str) -> None:
    """Makes one, unless it is there."""
    try:
        boto3.client("s3").create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in THERE:
            raise


def main() -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            for name in sys.argv[1:]:
                make(name)
            return
        except EndpointConnectionError as error:
            if time.monotonic() > deadline:
                sys.exit(f"buckets.py: {error}")
            time.sleep(1)


if __name__ == "__main__":
    main()
