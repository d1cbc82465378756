"""Tests of what remains of a user agent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.secrets import PLACED, TOKENS
from usagectl.events.user_agents import clean_user_agent

AGENTS = """aws-cli/1.25.52 Python/3.10.4 Linux/5.13.0-28-generic awscrt/0.14.0 botocore/1.27.52
Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux#5.15.0-1057-aws md/arch#x86_64 lang/python#3.11.4 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.0
Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/macos#23.6.0 md/arch#arm64 lang/python#3.13.0 md/pyimpl#CPython m/Z,b,e cfg/retry-mode#standard Botocore/1.44.5 Resource
aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#5.15.167.4-microsoft-standard-WSL2 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/distrib#ubuntu.22 md/prompt#off
APN/1.0 HashiCorp/1.0 Terraform/1.5.7 terraform-provider-aws/5.17.0 aws-sdk-go-v2/1.21.0 os/linux lang/go#1.20.8 md/GOOS#linux md/GOARCH#amd64 api/s3#1.38.5
api/dynamodb#1.2.3 api/CloudWatch_Logs api/s3 exec-env/AWS_Lambda_provided.al2023
Terraform/256.1.2.3 Linux/5.4.0-28-generic"""  # noqa: E501

REMAINS = [
    ("Boto3/1.34.0 app/canary-app", "Boto3/1.34.0"),
    ("canary/1.0 Boto3/1.34.0 canary", "Boto3/1.34.0"),
    ("Terraform/1.5.7 (+https://canary.example) x", "Terraform/1.5.7"),
    ("Linux/6.8.0-canary-custom", "Linux/6.8.0"),
    ("os/linux#6.8.0-canary md/canary#1 md/arch#canary", "os/linux#6.8.0"),
    ("exec-env/AWS_Lambda_python3.11 exec-env/canary", "exec-env/AWS_Lambda_python3.11"),
    ("lang/canary#1 cfg/retry-mode#canary api/s3#canary", ""),
    ("Python/canary Boto3/1.0canary", "Boto3/1.0"),
    ("api/canary-secret api/canary#1.0 api/s3-canary Boto3/1.0", "Boto3/1.0"),
    (
        "exec-env/AWS_CodeBuildCanary exec-env/AWS_Lambda_canary exec-env/AWS_CodeBuild",
        "exec-env/AWS_CodeBuild",
    ),
    (
        "aws-cli/192.168.0.1 ua/10.0.0.5 os/linux#10.0.0.5 Boto3/v10.0.0.5x Linux/10-0-0-5-aws",
        "",
    ),
    ("Boto3/1.10.0.0.5 Linux/10.0.0.5-aws curl/8.5.0", "curl/8.5.0"),
    ("", ""),
]


def test_what_programs_send_by_themselves_is_unchanged() -> None:
    """The notice's own example, and what boto3, the AWS CLI and Terraform send."""
    assert [text for text in AGENTS.splitlines() if clean_user_agent(text) != text] == []


def test_what_a_user_puts_into_a_user_agent_goes() -> None:
    """An application ID, an extra of boto's configuration, a kernel's name of one's own."""
    odd = {
        text: found for text, expected in REMAINS if (found := clean_user_agent(text)) != expected
    }
    assert odd == {}
    secrets = [*TOKENS.values(), *PLACED.values()]
    assert [text for text in secrets if clean_user_agent(f"Boto3/1.0 {text}") != "Boto3/1.0"] == []


@given(st.text())
def test_any_text_gives_plain_characters(text: str) -> None:
    """Whatever a user puts there, a text comes out, of ASCII alone."""
    assert clean_user_agent(text).isascii()


def test_of_any_length_two_kibibytes_are_read() -> None:
    """Hostile repetition costs no more than what is read."""
    pieces = ("Boto3/1.0 ", "os/", "1.", "/", "a/1-", "md/", "x")
    wholes = [piece * 2**17 for piece in pieces]
    odd = [
        whole[:9] for whole in wholes if clean_user_agent(whole) != clean_user_agent(whole[:2048])
    ]
    assert odd == []
