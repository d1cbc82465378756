"""A script of calls to an emulator, each parameter of which is a canary, and what came of them.

Every value that the script chooses holds `kanari`: as a plain word, with digits and
hyphens, in capitals, inside paths, addresses and expressions. What the program itself
learns of each call, from boto3's answers and errors, is the truth that events are compared with.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = b"kanari"
WORD, HYPHENS, DIGITS, CAPITALS = "kanarivogel", "kanari-enten-7", "kanari4711", "KanariGrossVogel"
ROLE = f"arn:aws:iam::123456789012:role/{CAPITALS}"
USER_AGENT_EXTRA = f"{WORD}/1.2.3 {CAPITALS} md/{HYPHENS}#{DIGITS} ({WORD}@kanari.example)"
USER_AGENT_APP_ID = DIGITS


class Call(NamedTuple):
    """What a program knows of a call that it made."""

    service: str
    operation: str
    status_code: int
    err_type: str | None


class Program:
    """A program that makes calls with clients of one session, and remembers how each ended."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self.calls: list[Call] = []
        self.messages: list[str] = []
        self._client = client

    def call(self, client: Any, method: str, **params: object) -> dict[str, Any]:  # noqa: ANN401
        """Make a call; an error is an answer too."""
        error: str | None = None
        try:
            answer: dict[str, Any] = getattr(client, method)(**params)
        except ClientError as raised:
            answer = dict(raised.response)
            error = answer["Error"]["Code"]
            self.messages.append(answer["Error"]["Message"])
        if hasattr(answer.get("Body"), "read"):
            answer["Body"].read()
        self.calls.append(
            Call(
                client.meta.service_model.service_name,
                client.meta.method_to_api_mapping[method],
                answer["ResponseMetadata"]["HTTPStatusCode"],
                error,
            )
        )
        return answer

    def run(self) -> None:
        """Make every call."""
        for service, script in SCRIPTS.items():
            client = self._client(service)
            script(lambda method, client=client, **params: self.call(client, method, **params))
            client.close()


def _use_s3(call: Callable[..., dict[str, Any]]) -> None:
    here = {"Bucket": HYPHENS}
    thing = {**here, "Key": f"{WORD}/{CAPITALS} {DIGITS}.txt"}
    other = {**here, "Key": f"kopie/{HYPHENS}"}
    call("create_bucket", **here)
    call(
        "put_object",
        **thing,
        Body=f"body {WORD}".encode(),
        Metadata={DIGITS: WORD},
        Tagging=f"{WORD}={DIGITS}",
    )
    call("head_object", **thing)
    etag = call("get_object", **thing, ResponseContentDisposition=f"x; filename={WORD}")["ETag"]
    call("get_object", **thing, IfNoneMatch=etag)
    call("put_object_tagging", **thing, Tagging={"TagSet": [{"Key": WORD, "Value": CAPITALS}]})
    call("list_objects_v2", **here, Prefix=WORD, Delimiter=DIGITS)
    call("copy_object", **other, CopySource=thing, Metadata={WORD: HYPHENS})
    call("put_bucket_tagging", **here, Tagging={"TagSet": [{"Key": WORD, "Value": DIGITS}]})
    upload = call("create_multipart_upload", **other)["UploadId"]
    part = call("upload_part", **other, UploadId=upload, PartNumber=1, Body=WORD.encode())
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    call("complete_multipart_upload", **other, UploadId=upload, MultipartUpload=parts)
    call("upload_part", **other, UploadId=WORD, PartNumber=2, Body=b"x")
    call("get_object", **here, Key=f"nicht/{WORD}")
    call("head_object", **here, Key=f"nicht/{CAPITALS}")
    call("get_object", Bucket=f"nicht-{WORD}", Key=WORD)
    call("head_bucket", Bucket=f"nicht-{DIGITS}")
    call("list_objects_v2", Bucket=f"nicht-{HYPHENS}")
    call("get_object", **thing, Range="bytes=900-999")
    call("get_bucket_policy", **here)
    call("delete_bucket", **here)
    call("delete_objects", **here, Delete={"Objects": [{"Key": WORD}, {"Key": other["Key"]}]})
    call("delete_object", **thing)
    call("delete_bucket", **here)


def _use_sqs(call: Callable[..., dict[str, Any]]) -> None:
    queue = {"QueueUrl": call("create_queue", QueueName=CAPITALS, tags={WORD: DIGITS})["QueueUrl"]}
    nothing = {"QueueUrl": queue["QueueUrl"].replace(CAPITALS, WORD)}
    attributes = {WORD: {"StringValue": CAPITALS, "DataType": f"String.{DIGITS}"}}
    entries = [{"Id": WORD, "MessageBody": DIGITS}, {"Id": DIGITS, "MessageBody": WORD}]
    call("list_queues", QueueNamePrefix=CAPITALS[:9])
    call("get_queue_url", QueueName=CAPITALS)
    call("send_message", **queue, MessageBody=f"{WORD} {CAPITALS}", MessageAttributes=attributes)
    call("send_message_batch", **queue, Entries=entries)
    call("receive_message", **queue, MessageAttributeNames=[WORD])
    call("tag_queue", **queue, Tags={DIGITS: HYPHENS})
    call("create_queue", QueueName=CAPITALS, Attributes={"DelaySeconds": "5"})
    call("create_queue", QueueName=f"{WORD}!{DIGITS}")
    call("get_queue_url", QueueName=WORD)
    call("send_message", **nothing, MessageBody=WORD)
    call("delete_message", **queue, ReceiptHandle=WORD)
    call("set_queue_attributes", **queue, Attributes={WORD: DIGITS})
    call("purge_queue", **nothing)
    call("delete_queue", **queue)


def _use_dynamodb(call: Callable[..., dict[str, Any]]) -> None:
    table = {"TableName": CAPITALS}
    key = {WORD: {"S": HYPHENS}}
    defined = {"AttributeName": WORD, "AttributeType": "S"}
    described = {
        **table,
        "KeySchema": [{"AttributeName": WORD, "KeyType": "HASH"}],
        "AttributeDefinitions": [defined],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": [{"Key": WORD, "Value": DIGITS}],
    }
    call("create_table", **described)
    item = {**key, DIGITS: {"S": CAPITALS}}
    call("put_item", **table, Item=item)
    call("get_item", **table, Key=key)
    call("put_item", **table, Item=item, ConditionExpression=f"attribute_not_exists({WORD})")
    named = {"ExpressionAttributeNames": {"#n": DIGITS}}
    valued = {"ExpressionAttributeValues": {":v": {"S": WORD}}}
    change = {**table, "Key": key, "UpdateExpression": "SET #n = :v", **named, **valued}
    call("update_item", **change)
    call("update_item", **change, ConditionExpression="#n = :v AND attribute_not_exists(#n)")
    call("query", **table, KeyConditionExpression=f"{WORD} = :v", **valued)
    call("scan", **table, FilterExpression="#n = :v", **named, **valued)
    call("scan", **table, FilterExpression=f"{WORD} {CAPITALS} {DIGITS}")
    call("query", **table, KeyConditionExpression=f"{DIGITS} = :v", **valued)
    call("batch_write_item", RequestItems={CAPITALS: [{"PutRequest": {"Item": item}}]})
    call("batch_get_item", RequestItems={CAPITALS: {"Keys": [key]}})
    call("put_item", **table, Item={DIGITS: {"S": WORD}})
    call("get_item", TableName=WORD, Key=key)
    call("describe_table", TableName=HYPHENS)
    call(
        "create_table",
        **{**described, "AttributeDefinitions": [{**defined, "AttributeName": DIGITS}]},
    )
    refused = {**table, "Item": item, "ConditionExpression": f"attribute_not_exists({WORD})"}
    call("transact_write_items", TransactItems=[{"Put": refused}])
    call("execute_statement", Statement=f'SELECT {DIGITS} FROM "{WORD}"')  # noqa: S608
    call("delete_item", **table, Key=key)
    call("delete_table", **table)
    call("delete_table", **table)


def _use_lambda(call: Callable[..., dict[str, Any]]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{WORD}.py", f"def {DIGITS}(event, context): return '{WORD}'")
    function = {"FunctionName": CAPITALS}
    made = {
        **function,
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": f"{WORD}.{DIGITS}",
        "Code": {"ZipFile": packed.getvalue()},
        "Description": f"{WORD} {DIGITS}",
        "Environment": {"Variables": {WORD: CAPITALS}},
        "Tags": {WORD: HYPHENS},
    }
    call("create_function", **made)
    call("create_function", **made)
    call("get_function", **function)
    call("invoke", **function, Payload=json.dumps({WORD: DIGITS}).encode())
    call("update_function_configuration", **function, Description=f"{CAPITALS} {WORD}")
    call("publish_version", **function, Description=WORD)
    call("create_alias", **function, Name=WORD, FunctionVersion="1", Description=DIGITS)
    call("get_alias", **function, Name=DIGITS)
    call("get_function", FunctionName=WORD)
    call("invoke", FunctionName=HYPHENS, Payload=b"{}")
    call("list_tags", Resource=f"arn:aws:lambda:us-east-1:123456789012:function:{WORD}")
    call("get_policy", **function)
    call("delete_function", **function)
    call("delete_function", **function)


def _use_sts(call: Callable[..., dict[str, Any]]) -> None:
    call("get_caller_identity")
    call("assume_role", RoleArn=ROLE, RoleSessionName=WORD, ExternalId=DIGITS)
    call("get_session_token", SerialNumber=f"arn:aws:iam::123456789012:mfa/{WORD}")
    call("get_federation_token", Name=DIGITS)
    call("get_federation_token", Name=WORD * 4)
    call("assume_role", RoleArn=ROLE, RoleSessionName=f"{WORD}@kanari.example")


def _use_iam(call: Callable[..., dict[str, Any]]) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    call("create_role", RoleName=CAPITALS, AssumeRolePolicyDocument=trust, Description=WORD)
    call("create_role", RoleName=CAPITALS, AssumeRolePolicyDocument=trust)
    call("get_role", RoleName=WORD)


SCRIPTS: dict[str, Callable[[Callable[..., dict[str, Any]]], None]] = {
    "iam": _use_iam,  # A function needs a role.
    "s3": _use_s3,
    "sqs": _use_sqs,
    "dynamodb": _use_dynamodb,
    "lambda": _use_lambda,
    "sts": _use_sts,
}
