"""Tests of usagectl against the real LocalStack client on this machine."""
