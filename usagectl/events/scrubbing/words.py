"""Own which pieces of a text are ordinary words, and what kind of thing any other piece is.

Nothing here knows where a piece stands. The lists were drawn up from the error templates
of an AWS emulator: what follows a resource noun there and is no name.
"""

from __future__ import annotations

import re
from functools import lru_cache

DUMMY_ACCOUNT = "000000000000"

PLACEHOLDERS = (
    "path",
    "arn",
    "account",
    "email",
    "ip",
    "token",
    "name",
    "url",
    "host",
    "number",
)

NOUNS = frozenset(
    """account accounts agent alarm alias analyzer api app application archive arn attribute
    authorizer backup bucket buckets bus campaign certificate channel cluster collection column
    command config connection connector constraint consumer container crawler credential database
    dataset definition delivery deployment destination detector device dimension directory
    distribution document domain email endpoint entity environment event experiment export
    extension field file filter firehose folder function functions gateway group groups hook host
    hostname id identifier identity image index instance integration item job key keys label layer
    listener location logger login machine mapping member mesh method model module monitor mount
    name names namespace network node number object objects operation operator organization origin
    owner package parameter partition password path pattern permission person pipeline plan plugin
    pod policy pool port prefix principal process product profile project property provider proxy
    query queue queues recipe record recorder region registry replay report repository resource
    resources role roles route router rule runtime schedule schema scope script secret section
    segment selector serial server service session set setting shard share site snapshot source sql
    stack stage stream streams subject subnet subscription suite table tables tag target task team
    template tenant thing title token tool topic topics trail trust type url user username users
    value values variable vault version volume vpc workflow workspace zone""".split()  # noqa: SIM905  (a list of words reads best so)
)
"""Words that a name follows, as in `Table: orders` or `user alice does not exist`."""

RESOURCES = frozenset(
    """account alias bucket cluster database directory domain email file folder function group host
    hostname identifier instance key name namespace object owner password path person policy
    principal project queue repository role secret stack stream subscription table tag team tenant
    title token topic user username vault volume workspace""".split()  # noqa: SIM905
)
"""Words after which a colon announces a name, even one that is a common word."""

HEADS = NOUNS | {"called", "duplicate", "exist", "exists", "found", "named", "unknown"}
"""Words after which a colon announces a name."""

FUNCTION_WORDS = frozenset(
    """a all already also an and another any are as at be because been before being both but by can
    can't cannot could couldn't did didn't do does doesn't don't each either exactly here again
    later now please try yet see exist exists failed for from had has hasn't have haven't if in
    into invalid is isn't it it's its itself may might missing more must mustn't neither no none
    nor not of on one only or other our shall should shouldn't so some such than that that's the
    their them then there there's these they this those to too unless until was wasn't we were
    weren't what's when where which while who who's whose will with within without won't would you
    your""".split()  # noqa: SIM905
)
"""Words that name nothing wherever they stand."""

FOLLOWERS = (
    FUNCTION_WORDS
    | NOUNS
    | frozenset(
        """able access action active additional address administrator after allowed arn arns array
        associated association attached attributes authority authorization availability available
        balancer based baseline between block body both called chain character characters check
        class client code combination conditions configuration configured conflict contain
        containing contains content copy count counts created creation currently custom data date
        default defined deleted deletion denied description details different disabled
        documentation does during element empty enabled encryption engine entries entry error
        errors exceed exceeded exceeds exception expected expired expression failure family first
        format found full given guide handler hash header health hit ids in include includes
        information input instances internal invocation invocations key-value last latest length
        level limit limits line list listing lock management manager map matches matching maximum
        media message metadata minimum mismatch mode mutation name needed needs network next
        nothing number numbers open option options output over ownership page part pass payload
        peering pending per point prior protocol provided quota range rate reached read reason
        reference release replication request requested requests required requires response result
        results retention returned run running runs scan second security seems selection size space
        specification specified start state statement status still stop storage string structure
        supplied support supported supports system tags text they time timeout times tuning two
        types under unique unknown unsupported update updated updates use used using valid
        validation versions violated wildcard write zero""".split()  # noqa: SIM905
    )
)
"""Words that may follow a resource noun without being a name."""

VERBS = frozenset(
    """already are at can can't cannot contains could couldn't do does doesn't exceeds exists for
    has hasn't in is isn't may might must needs not should shouldn't under was wasn't were weren't
    will won't would""".split()  # noqa: SIM905
)
"""What follows a name in `Table orders does not exist`."""

CLOSED = frozenset(
    """and/or or/and I/O i/o n/a N/A true/false is/are read/write yes/no e.g i.e vs etc a.m p.m
    account-level account-regional built-in built-ins case-insensitive case-sensitive check-in
    client-side command-line copy-on-write cross-account cross-origin cross-region end-to-end
    fine-grained full-text high-level higher-level in-flight in-memory in-place in-progress in-use
    key-value long-running long-term low-level lower-case multi-line multi-part multi-region no-op
    non-deleted non-empty non-existent non-existing non-integer non-negative non-null non-numeric
    non-string non-unique non-zero old-style on-demand on-premises one-time opt-in opt-out
    out-of-band out-of-date out-of-range pre-defined pre-signed read-only read-write real-time
    re-encrypt right-hand left-hand run-time self-signed server-side set-up short-term single-node
    so-called sub-resource third-party time-based time-out time-to-live top-level two-factor
    up-to-date upper-case url-encoded user-defined user-agent well-formed white-space wild-card
    write-only zero-length x-ray s3 S3 ec2 EC2 IPv4 IPv6 ipv4 ipv6 MD5 md5 SHA1 sha1 SHA256 sha256
    utf8 UTF8 UTF-8 utf-8 ISO-8601 Route53 base64 Base64 x86 arm64 ARM64 OAuth2 oauth2 HTTP2 http2
    v1 v2 V1 V2 DynamoDB CloudFormation CloudWatch CloudFront CloudTrail EventBridge LocalStack
    ElastiCache OpenSearch SageMaker AppSync AccessDenied NoSuchBucket NoSuchKey XMLs APIs ARNs IDs
    URLs URIs VPCs AMIs CIDRs EBS ECS EKS JSON OpenID OAuth JavaScript GitHub IoT DevOps NoSQL
    SigV4 ACTIVE INACTIVE ENABLED DISABLED DEFAULT CREATE CREATED CREATING DELETE DELETED DELETING
    UPDATE UPDATED UPDATING STOPPED STOPPING RUNNING PENDING FAILED SUCCEEDED AVAILABLE STRING
    NUMBER BINARY BOOLEAN INTEGER OPTIONS STANDARD PRIVATE PUBLIC INTERNET CUSTOM MANAGED LATEST
    COMPLETE COMPLETED ROLLBACK INSERT SELECT REMOVE REQUIRED OPTIONAL INVALID BEARER""".split()  # noqa: SIM905
)
"""Words that do not look ordinary, and tell nothing."""

_WORD = re.compile(r"(?:[A-Z]?[a-z]{1,20}|[A-Z]{1,5})(?:'(?:s|t|re|ve|ll|d|m))?")
_LONGEST = 40
_LONG = 6
_PRONOUNCED = re.compile(r"(?!.*[^aeiouyAEIOUY']{7}).*[aeiouyAEIOUY]")
_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,2})?")

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?"
_IPV4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_KINDS = (
    ("arn", r"(?i:arn:[^ ]*)"),
    ("url", r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^ ]*|(?i:mailto|data|urn):[^ ]+|www\.[^ ]+"),
    ("email", r"[^@ ]{1,64}@[^@ ]{1,255}"),
    ("ip", rf"{_IPV4}(?::[0-9]{{1,5}})?(?:/[0-9]{{1,3}})?"),
    (
        "ip",
        r"\[?(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:.]{2,45}(?:%[0-9A-Za-z]{1,15})?(?:/[0-9]{1,3})?\]?(?::[0-9]{1,5})?",
    ),
    ("path", r"[~.]{0,2}[/\\][^ ]*|[A-Za-z]:[/\\][^ ]*|~[A-Za-z0-9_.-]*"),
    ("account", r"[0-9]{12}"),
    ("number", r"[+-]?[0-9][0-9.,:TZ/-]*"),
    ("token", r"(?=[^ ]{0,100}[0-9])(?=[^ ]{0,100}[A-Za-z])[A-Za-z0-9+/=_.~-]{16,}"),
    ("token", r"[A-Za-z0-9+/_-]{24,}={0,2}|[A-Za-z0-9+/_-]{4,}={1,2}"),
    ("path", r"[^ ]*[/\\][^ ]*"),
    (
        "host",
        rf"(?:{_LABEL}\.){{1,10}}[A-Za-z][A-Za-z0-9-]{{0,62}}\.?(?::[0-9]{{1,5}})?|{_LABEL}:[0-9]{{2,5}}",
    ),
)
_MATCHERS = tuple((kind, re.compile(pattern).fullmatch) for kind, pattern in _KINDS)


def is_word(piece: str) -> bool:
    """Tell whether a piece is an ordinary word: plain letters that can be pronounced."""
    return len(piece) <= _LONGEST and _is_word(piece)


@lru_cache(4096)
def _is_word(piece: str) -> bool:
    if piece in CLOSED:
        return True
    if not _WORD.fullmatch(piece):
        return False
    return len(piece) < _LONG or _PRONOUNCED.match(piece) is not None


def is_written_as_one(piece: str) -> bool:
    """Tell whether a piece is of words written as one, as codes of errors are: `NoSuchKey`."""
    return not piece[1:].islower() and piece[:1].isupper() and not piece.isupper()


def is_number(piece: str) -> bool:
    """Tell whether a piece is a number too small to be anybody's."""
    return piece == DUMMY_ACCOUNT or _NUMBER.fullmatch(piece) is not None


def kind_of(piece: str, *, default: str = "name") -> str:
    """Name the kind of thing that a piece is, as a placeholder."""
    for kind, matches in _MATCHERS:
        if matches(piece):
            return f"<{kind}>"
    return f"<{default}>"


def looks_whole(piece: str) -> bool:
    """Tell whether a piece is one thing with its punctuation: an address, a path, a time."""
    return kind_of(piece) not in ("<name>", "<token>")
