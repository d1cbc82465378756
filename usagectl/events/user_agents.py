"""Cleaned user agents: the products and versions that programs send by themselves.

Anybody can put any text into a user agent, so only known products stay, each with what
looks like its version and not like an address.
"""

from __future__ import annotations

import re

from usagectl.events.text_rules import is_service

_LONGEST_READ = 2048
_MOST_TOKENS = 40

_PRODUCTS = frozenset(
    """apn apache-httpclient aws-cdk aws-cli aws-sdk-cpp aws-sdk-dotnet-35 aws-sdk-dotnet-core
    aws-sdk-dotnet-coreclr aws-sdk-go aws-sdk-go-v2 aws-sdk-java aws-sdk-js aws-sdk-kotlin
    aws-sdk-nodejs aws-sdk-php aws-sdk-ruby2 aws-sdk-ruby3 aws-sdk-rust aws-sdk-swift aws4fetch
    aiobotocore aioboto3 awscrt awslocal boto boto3 botocore chalice command cpython curl
    darwin exe freebsd go go-http-client golang guzzlehttp hashicorp java javascript kotlin
    linux localstack md minio-go node node.js nodejs openbsd openjdk_64-bit_server_vm opentofu
    pulumi pypy python python-httpx python-requests python-urllib3 requests resource
    s3transfer s3cmd samcli samtranslator scala sdk-metrics serverless terraform
    terraform-plugin-sdk terraform-provider-aws terragrunt ua undici usagectl vpc wget
    windows""".split()  # noqa: SIM905  (a list of words reads best so)
)
_RELEASE = (
    r"v?[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}"
    r"(?:[-+.~_](?:v?[0-9]{1,9}|[0-9]{1,3}[a-z]{1,3}[0-9]{0,3}|aarch64|alpine|amd64|amzn[0-9]{1,4}|"
    r"arch[0-9]{1,3}|arm64|aws|azure|beta|cloud|dev|cos|ec2?|el[0-9]{1,2}(?:_[0-9]{1,2})?|fc[0-9]{0,3}|gcp|"
    r"generic|gke|kvm|lima|linuxkit|lowlatency|lts|microsoft|oracle|orbstack|pre|raspi|rpi|stable|standard|"
    r"wsl2?|x86_64|alpha|hardened|zen[0-9]{0,3})(?![a-z0-9]))*(?:(?:a|b|rc|dev|post)[0-9]{1,4})?"
)
_SYSTEM = r"(?:linux|macos|darwin|windows|freebsd|other|ios|android)"
_VALUES = tuple(
    re.compile(pattern, re.IGNORECASE).fullmatch
    for pattern in (
        rf"ua/{_RELEASE}",
        rf"os/{_SYSTEM}(?:#{_RELEASE})?",
        rf"lang/(?:python|go|js|java|kotlin|rust|ruby|php|dotnet|swift|cpp)(?:#{_RELEASE})?",
        rf"md/(?:botocore|awscrt|boto3|rt|nodejs|browser|internal|http|urllib3)(?:#{_RELEASE})?",
        r"md/(?:arch|goarch)#(?:x86_64|amd64|arm64|aarch64|i[3-6]86|armv[5-8]l?|ppc64le|s390x|x64)",
        rf"md/goos#{_SYSTEM}",
        r"md/pyimpl#(?:cpython|pypy|graalpy)",
        r"md/installer#(?:exe|source|source-sandbox)",
        r"md/prompt#(?:off|on|partial)",
        r"md/distrib#(?:ubuntu|debian|amzn|fedora|rhel|centos|alpine|arch)\.[0-9]{1,3}(?:\.[0-9]{1,3})?",
        r"m/[A-Za-z0-9](?:,[A-Za-z0-9]){0,40}",
        r"cfg/retry-mode#(?:legacy|standard|adaptive)",
        r"exec-env/AWS_(?:Lambda_(?:python|nodejs|java|dotnet(?:core)?|ruby|go|rust|provided)"
        r"[0-9.x]{0,6}(?:\.al2(?:023)?)?|ECS_(?:EC2|FARGATE)|CLOUDSHELL|CodeBuild|App_?Runner)",
        r"ft/(?:s3-transfer|hll|ddbmapper|retry-mode)",
        r"Resource|S3Transfer|Waiter|Paginator",
    )
)
_SYSTEM_TOKEN = re.compile(rf"os/{_SYSTEM}#{_RELEASE}", re.IGNORECASE)
_API = re.compile(rf"api/([A-Za-z][A-Za-z0-9._-]{{0,60}})(?:#{_RELEASE})?", re.IGNORECASE)
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
# The kernels of WSL have such versions, too.
_ADDRESS = re.compile(
    rf"(?<![0-9]){_BYTE}([-+.~_]){_BYTE}(?:\1{_BYTE}){{2}}(?![0-9]|-microsoft)", re.IGNORECASE
)
_TOKEN = re.compile(rf"([A-Za-z][A-Za-z0-9._-]{{0,40}})/({_RELEASE})")


def clean_user_agent(text: str) -> str:
    """Keep the known products of a user agent and their versions, in their order.

    Comments in parentheses, application IDs, and whatever else a user can put in go.
    """
    kept = [each for token in text[:_LONGEST_READ].split() if (each := _clean(token))]
    return " ".join(kept[:_MOST_TOKENS])


def _clean(token: str) -> str:
    kept = _known_of(token)
    return "" if _ADDRESS.search(kept) else kept


def _known_of(token: str) -> str:
    """Keep a known token, or the part of it that is known."""
    if any(matches(token) for matches in _VALUES):
        return token
    system = _SYSTEM_TOKEN.match(token)
    if system:
        return system[0]
    api = _API.fullmatch(token)
    if api:
        return token if is_service(api[1]) else ""
    found = _TOKEN.match(token)
    if found is None or found[1].lower() not in _PRODUCTS:
        return ""
    return found[0]  # A version stays as far as it looks like one.
