"""Tests of whom a host belongs to."""

from __future__ import annotations

import json

from usagectl import catalogue
from usagectl.capture import hosts
from usagectl.capture.hosts import HostOwner


def test_hosts_are_told_by_the_catalogue() -> None:
    """Name, path and user decide; what nobody knows is unknown."""
    known = hosts.known(own=("registry.example", "api.mine.example"))
    cases = {
        ("telemetry.nextjs.org", "/api/v1/record"): HostOwner("next", "telemetry"),
        ("TELEMETRY.nextjs.org.", ""): HostOwner("next", "telemetry"),
        ("telemetry.vercel.com", "/api/turborepo/v1/events"): HostOwner("turbo", "telemetry"),
        ("registry.example", "/x"): HostOwner("", "own"),
        ("a.registry.example", ""): HostOwner("", "own"),
        ("notregistry.example", ""): HostOwner("", "unknown"),
        ("localhost", ""): HostOwner("", "loopback"),
        ("[::1]", ""): HostOwner("", "loopback"),
        ("203.0.113.9", "/"): HostOwner("", "unknown"),
        ("o1.ingest.us.sentry.io", "/api/1/envelope/"): HostOwner("", "errors", "Sentry"),
        ("api.mixpanel.com", ""): HostOwner("", "telemetry", "Mixpanel"),
    }
    wrong = {
        case: found for case, wanted in cases.items() if (found := known.owner(*case)) != wanted
    }
    assert wrong == {}


def test_the_path_decides_where_a_host_takes_other_things_too() -> None:
    """A request to a host of telemetry, but to another path, is not called telemetry."""
    known = hosts.known()
    assert known.owner("huggingface.co", "/api/telemetry/x").kind == "telemetry"
    assert known.owner("huggingface.co", "/api/models/x").kind == "unknown"


def test_what_is_known_as_telemetry_is_no_commands_own() -> None:
    """A path that nobody knows is, and a host; without a path a known host stays what it is."""
    known = hosts.known(own=("vercel.com", "huggingface.co", "posthog.com"))
    for host, path, kind in (
        ("telemetry.vercel.com", "/api/turborepo/v1/events", "telemetry"),
        ("telemetry.vercel.com", "", "telemetry"),
        ("api.vercel.com", "", "own"),
        ("huggingface.co", "/api/telemetry/x", "telemetry"),
        ("huggingface.co", "/api/models", "own"),
        ("huggingface.co", "", "telemetry"),
        ("us.i.posthog.com", "/other", "telemetry"),
    ):
        assert known.owner(host, path).kind == kind, (host, path)


def test_a_host_is_told_however_it_is_written() -> None:
    """Ports, brackets, case, dots, other alphabets, and all ways to write this machine."""
    known = hosts.known(own=("BÜCHER.example.", "*.mine.example"))
    kinds = {
        "loopback": ("127.9.9.9", "[::1]:80", "::ffff:127.0.0.1", "0.0.0.0", "::", "A.LocalHost:1"),  # noqa: S104
        "own": ("xn--bcher-kva.example", "a.bücher.example:443", "x.mine.example", "mine.example"),
        "telemetry": ("TELEMETRY.nextjs.org:443", "telemetry.nextjs.org.:443"),
        "unknown": ("", ".", "[", ":", "a..b", "\ud800", "ü" * 80, "203.0.113.9:1", "2001:db8::1"),
    }
    wrong = {
        host: found
        for kind, each in kinds.items()
        for host in each
        if (found := known.owner(host).kind) != kind
    }
    assert wrong == {}


def test_nobody_is_blamed_for_what_others_may_send() -> None:
    """All that may post to a place are named; none for a service's host that each customer has."""
    known = hosts.known()
    cases = {
        ("analytics.localstack.cloud", "/v1/events"): ("localstack, lstk, usagectl", "telemetry"),
        ("analytics.localstack.cloud", "/v10"): ("", "unknown"),
        ("o1.ingest.sentry.io", "/api/1/envelope/"): ("", "errors"),
        ("api.sanity.io", "/v2021-03-25/intake/batch?tag=x"): ("sanity", "telemetry"),
        ("api.sanity.io", "/v2021-03-25/data/query/production"): ("", "unknown"),
    }
    wrong = {
        case: found for case, wanted in cases.items() if (found := known.owner(*case))[:2] != wanted
    }
    assert wrong == {}
    assert "aider" in known.owner("us.i.posthog.com", "/batch/").tool


def test_each_endpoint_of_the_catalogue_is_found() -> None:
    """Every entry's endpoint leads back to its tool, or to a service that many use."""
    known, wrong = hosts.known(), []
    for name in catalogue.names():
        for endpoint in catalogue.entry(name).endpoints:
            url = endpoint.url.replace("<", "").replace(">", "")
            host, _, path = url.partition("://")[2].partition("/")
            found = known.owner(host.partition(":")[0], f"/{path}")
            if name not in found.tool.split(", ") and "<" not in endpoint.url:
                wrong.append((name, endpoint.url, found))
    assert wrong == []


def test_services_name_where_they_were_read() -> None:
    """Each collector has hosts, a kind that is telemetry, and a source."""
    for about in json.loads(hosts.COLLECTORS.read_text()).values():
        assert about["hosts"]
        assert about["source"]
        assert about["how"] in ("memory", "docs", "wire")
        assert about["kind"] in ("telemetry", "errors")
